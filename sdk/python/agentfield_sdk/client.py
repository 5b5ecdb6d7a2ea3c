"""The control plane as a service sees it that is no agent itself."""

from __future__ import annotations

__all__ = ["Client"]

from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Any, Self

from agentfield.contract.json import set_text
from agentfield.v1.execution_service_pb2 import ListExecutionsRequest
from agentfield.v1.node_service_pb2 import ListNodesRequest
from agentfield.v1.workflow_service_pb2 import GetWorkflowRequest
from agentfield_sdk.calls import Calls
from agentfield_sdk.connection import Connection
from agentfield_sdk.handle import ExecutionHandle
from agentfield_sdk.sessions import Sessions
from agentfield_sdk.values import Execution, Node, Workflow, value_of


class Client:
    """Executes, starts sessions, and reads both, workflows and nodes. An async context manager.

    ``server`` is ``host:port``, or ``grpcs://host:port`` for TLS (else AGENTFIELD_GRPC, else
    localhost:8180), ``api_key`` the key to show (else AGENTFIELD_API_KEY), or a session's token or a
    start token. Everything raises the classes of ``agentfield.v1.errors``, and outlives a control
    plane that is away for less than half a minute.
    """

    def __init__(self, server: str | None = None, *, api_key: str | None = None) -> None:
        self._connection = Connection(server, api_key=api_key)
        self._calls = Calls(self._connection)
        self.sessions = Sessions(self._connection)
        """Starts sessions, connects, watches and ends them."""

    async def __aenter__(self) -> Self:
        await self._connection.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._connection.__aexit__(kind, error, traceback)

    def with_options(
        self, *, timeout: float | None = None, request_id: str = "", actor_id: str = ""
    ) -> Calls:
        """Return calls with options: see ``Calls.with_options``."""
        return self._calls.with_options(timeout=timeout, request_id=request_id, actor_id=actor_id)

    async def call(self, target: str, /, *args: Any, **kwargs: Any) -> Any:
        """Run ``node.function`` and return its result; the arguments are the function's alone."""
        return await self._calls.call(target, *args, **kwargs)

    async def submit(self, target: str, /, *args: Any, **kwargs: Any) -> ExecutionHandle:
        """Store an execution of ``node.function`` and return a handle of it at once."""
        return await self._calls.submit(target, *args, **kwargs)

    def handle(self, execution_id: str) -> ExecutionHandle:
        """Return a handle of an execution that was submitted before, perhaps elsewhere."""
        return ExecutionHandle(self._connection, execution_id=execution_id)

    async def get(self, execution_id: str) -> Execution:
        """Return an execution with its input and result."""
        return await self.handle(execution_id).get()

    async def cancel(self, execution_id: str, reason: str = "") -> Execution:
        """Cancel an execution and everything it called, and return it as it is then."""
        return await self.handle(execution_id).cancel(reason)

    async def executions(self, **filters: str) -> AsyncGenerator[Execution, None]:
        """Yield executions without payloads, the newest first.

        The filters are the conditions of ListExecutions: ``run_id``, ``session_id``, ``node_id``,
        ``target``, ``status`` (``failed``, ...), ``parent_execution_id``; all given must hold.
        """
        request = ListExecutionsRequest()
        for name, text in filters.items():
            set_text(request, name, text)
        while True:
            page = await self._connection.call(self._connection.executions.ListExecutions, request)
            for execution in page.executions:
                yield value_of(execution)
            request.page_token = page.next_page_token
            if not request.page_token:
                return

    async def workflow(self, run_id: str) -> Workflow:
        """Return a workflow with all its executions, without payloads."""
        request = GetWorkflowRequest(run_id=run_id)
        executions: list[Execution] = []
        while True:
            page = await self._connection.call(self._connection.workflows.GetWorkflow, request)
            executions.extend(map(value_of, page.executions))
            request.page_token = page.next_page_token
            if not request.page_token:
                workflow: Workflow = value_of(page.workflow, executions=tuple(executions))
                return workflow

    async def nodes(self) -> list[Node]:
        """Return all nodes by name, with their functions and workers."""
        request = ListNodesRequest()
        nodes: list[Node] = []
        while True:
            page = await self._connection.call(self._connection.nodes.ListNodes, request)
            nodes.extend(map(value_of, page.nodes))
            request.page_token = page.next_page_token
            if not request.page_token:
                return nodes
