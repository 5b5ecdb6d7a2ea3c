"""A control plane in this process, on free ports and in a folder of its own."""

from __future__ import annotations

__all__ = ["PATIENCE", "ControlPlane", "connected", "control_plane"]

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Self

import grpc

from agentfield.app import App, running
from agentfield.config import read_config
from agentfield.contract.status import error_from_rpc
from agentfield.simulator import Simulator
from agentfield.v1 import (
    agent_service_pb2_grpc,
    execution_pb2,
    execution_service_pb2,
    execution_service_pb2_grpc,
    journal_service_pb2_grpc,
    node_service_pb2_grpc,
    server_service_pb2_grpc,
    session_service_pb2_grpc,
    workflow_service_pb2_grpc,
)

PATIENCE = 10.0
"""Seconds after which a wait fails, if it is not told otherwise."""


class ControlPlane:
    """A running control plane: where it is, and the stubs of its services for one key."""

    def __init__(
        self,
        app: App,
        channel: grpc.aio.Channel,
        key: str = "",
        *,
        simulator: Simulator | None = None,
    ) -> None:
        self.app = app
        self.channel = channel
        self.simulator = simulator
        """The provider behind it."""
        self.metadata: tuple[tuple[str, str], ...] = (("x-api-key", key),) if key else ()
        self.executions = execution_service_pb2_grpc.ExecutionServiceStub(channel)
        self.journal = journal_service_pb2_grpc.JournalServiceStub(channel)
        self.workflows = workflow_service_pb2_grpc.WorkflowServiceStub(channel)
        self.nodes = node_service_pb2_grpc.NodeServiceStub(channel)
        self.agents = agent_service_pb2_grpc.AgentServiceStub(channel)
        self.sessions = session_service_pb2_grpc.SessionServiceStub(channel)
        self.server = server_service_pb2_grpc.ServerServiceStub(channel)

    @property
    def grpc_address(self) -> str:
        """``host:port``: what agents and clients take as their server."""
        return self.app.grpc_address

    @property
    def http_address(self) -> str | None:
        """``host:port`` of the gateway, if it has one."""
        return self.app.http_address

    def as_(self, key: str) -> ControlPlane:
        """Return the same plane for another key."""
        return ControlPlane(self.app, self.channel, key, simulator=self.simulator)

    async def call(self, rpc: Any, request: Any, **metadata: str) -> Any:
        """Call a unary rpc; fail as our own error. Underscores in metadata names are dashes."""
        pairs = tuple((name.replace("_", "-"), value) for name, value in metadata.items())
        try:
            return await rpc(request, metadata=self.metadata + pairs, timeout=PATIENCE)
        except grpc.aio.AioRpcError as error:
            raise error_from_rpc(error) from None

    async def submit(self, target: str, input_: bytes = b"{}", **options: Any) -> str:
        """ExecuteAsync; ``parent`` names the parent. Return the execution's id."""
        parent, timeout = options.pop("parent", ""), options.pop("timeout", 0.0)
        metadata = {"x_parent_execution_id": parent} if parent else {}
        request = execution_service_pb2.ExecuteAsyncRequest(target=target, input=input_, **options)
        if timeout:
            request.timeout.FromNanoseconds(int(timeout * 1e9))
        answer = await self.call(self.executions.ExecuteAsync, request, **metadata)
        execution_id: str = answer.execution_id
        return execution_id

    async def get(self, execution_id: str) -> execution_pb2.Execution:
        """Return one execution."""
        request = execution_service_pb2.GetExecutionRequest(execution_id=execution_id)
        answer = await self.call(self.executions.GetExecution, request)
        found: execution_pb2.Execution = answer.execution
        return found

    async def until(self, execution_id: str, *statuses: int) -> execution_pb2.Execution:
        """Watch an execution until it is in one of the states."""
        request = execution_service_pb2.WatchExecutionRequest(execution_id=execution_id)
        async with asyncio.timeout(PATIENCE):
            async for change in self.executions.WatchExecution(request, metadata=self.metadata):
                if change.execution.status in statuses:
                    found: execution_pb2.Execution = change.execution
                    return found
        raise AssertionError(f"{execution_id} ended in another state")

    async def cancel(self, execution_id: str, reason: str = "") -> int:
        """Cancel an execution; return how many were cancelled."""
        request = execution_service_pb2.CancelExecutionRequest(
            execution_id=execution_id, reason=reason
        )
        answer = await self.call(self.executions.CancelExecution, request)
        count: int = answer.cancelled_count
        return count


@asynccontextmanager
async def connected(app: App, *, simulator: Simulator | None = None) -> AsyncIterator[ControlPlane]:
    """Connect to a control plane that runs in this process."""
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(app.grpc_address, options=options) as channel:
        yield ControlPlane(app, channel, simulator=simulator)


@asynccontextmanager
async def control_plane(
    *flags: str,
    simulator: Simulator | None = None,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[ControlPlane]:
    """Run a control plane with its gateway until the block is left.

    It listens on free loopback ports, keeps its data in a folder that is removed at the end, and
    calls the simulator in place of the provider. ``flags`` are those of ``af server``, for
    instance ``--agent-grace=1``; ``environment`` is what it sees in place of this process's.
    Meanwhile AGENTFIELD_GRPC names it, so that agents and clients of this process find it. Raises
    ConfigError for flags that make no sense.
    """
    with tempfile.TemporaryDirectory(prefix="agentfield-") as folder:
        ours = ["--grpc-bind=127.0.0.1:0", "--http-bind=127.0.0.1:0", f"--data-dir={folder}"]
        seen = dict(environment or {})
        if simulator is not None:
            seen = {"OPENAI_BASE_URL": simulator.base_url, "OPENAI_API_KEY": "simulated"} | seen
        block = _Block()
        try:
            async with (
                running(read_config([*ours, *flags], seen)) as app,
                connected(app, simulator=simulator) as plane,
            ):
                with _named(app.grpc_address), block:
                    yield plane
        except BaseExceptionGroup:
            # The server's tasks are a group; what the block raised leaves it as it was.
            if block.raised is not None:
                raise block.raised from None
            raise


class _Block:
    """A block, and what it has raised."""

    raised: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        self.raised = error


@contextmanager
def _named(address: str) -> Iterator[None]:
    before = os.environ.get("AGENTFIELD_GRPC")
    os.environ["AGENTFIELD_GRPC"] = address
    try:
        yield
    finally:
        if before is None:
            del os.environ["AGENTFIELD_GRPC"]
        else:
            os.environ["AGENTFIELD_GRPC"] = before
