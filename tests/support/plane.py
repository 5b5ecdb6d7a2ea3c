"""A control plane in this process, and a worker that does exactly what a test tells it to."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc

from agentfield.app import App, running
from agentfield.config import Config, read_config
from agentfield.contract.status import error_from_rpc
from agentfield.identity import Caller, Key, Keyring
from agentfield.v1 import (
    agent_service_pb2,
    agent_service_pb2_grpc,
    execution_pb2,
    execution_service_pb2,
    execution_service_pb2_grpc,
    node_service_pb2,
    node_service_pb2_grpc,
    server_service_pb2_grpc,
    session_pb2,
    workflow_service_pb2_grpc,
)

SUCCEEDED = execution_pb2.EXECUTION_STATUS_SUCCEEDED
FAILED = execution_pb2.EXECUTION_STATUS_FAILED
CANCELLED = execution_pb2.EXECUTION_STATUS_CANCELLED
QUEUED = execution_pb2.EXECUTION_STATUS_QUEUED
RUNNING = execution_pb2.EXECUTION_STATUS_RUNNING
TIMEOUT = execution_pb2.EXECUTION_STATUS_TIMEOUT
PATIENCE = 10.0
"""Seconds after which a test gives up waiting for what should happen at once."""


def keyring(*callers: Caller) -> Keyring:
    """Return a keyring in which each caller's key is its name."""
    return Keyring(
        [Key(sha256=hashlib.sha256(c.name.encode()).digest(), caller=c) for c in callers]
    )


def config_for(folder: Path, *, grace: float = 0.6, **limits: Any) -> Config:
    """Return the configuration of a server for tests: free ports, short grace, no gateway."""
    config = read_config(
        ["--grpc-bind", "127.0.0.1:0", "--http-bind", "none", "--data-dir", str(folder)], {}
    )
    return replace(config, agent_grace=grace, limits=replace(config.limits, **limits))


class Plane:
    """Stubs of a running control plane, for one key."""

    def __init__(self, app: App, channel: grpc.aio.Channel, key: str = "") -> None:
        self.app = app
        self.channel = channel
        self.metadata: tuple[tuple[str, str], ...] = (("x-api-key", key),) if key else ()
        self.executions = execution_service_pb2_grpc.ExecutionServiceStub(channel)
        self.workflows = workflow_service_pb2_grpc.WorkflowServiceStub(channel)
        self.nodes = node_service_pb2_grpc.NodeServiceStub(channel)
        self.agents = agent_service_pb2_grpc.AgentServiceStub(channel)
        self.server = server_service_pb2_grpc.ServerServiceStub(channel)

    def as_(self, key: str) -> Plane:
        """Return the same plane for another key."""
        return Plane(self.app, self.channel, key)

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
async def connected(app: App) -> AsyncIterator[Plane]:
    """Connect to a running control plane."""
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(app.grpc_address, options=options) as channel:
        yield Plane(app, channel)


@asynccontextmanager
async def running_plane(config: Config) -> AsyncIterator[Plane]:
    """Run a control plane and connect to it."""
    async with running(config) as app, connected(app) as plane:
        yield plane


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """A function of a scripted worker."""

    name: str
    idempotent: bool = False


class ScriptedWorker:
    """One worker of a node. It does nothing by itself."""

    def __init__(
        self,
        plane: Plane,
        node_id: str,
        *functions: str | Declaration,
        instance_id: str = "w1",
        sessions: Sequence[session_pb2.SessionDeclaration] = (),
    ) -> None:
        self._plane = plane
        self.node_id = node_id
        self.instance_id = instance_id
        self._functions = [Declaration(name=f) if isinstance(f, str) else f for f in functions]
        self._sessions = sessions
        self._outgoing: asyncio.Queue[agent_service_pb2.WorkRequest | None] = asyncio.Queue()
        self.registration_id = ""
        self._stream: Any = None

    async def register(self) -> None:
        """RegisterNode."""
        request = node_service_pb2.RegisterNodeRequest(
            node_id=self.node_id, instance_id=self.instance_id, sessions=self._sessions
        )
        for function in self._functions:
            request.functions.add(
                name=function.name,
                kind=execution_pb2.FUNCTION_KIND_SKILL,
                idempotent=function.idempotent,
            )
        answer = await self._plane.call(self._plane.nodes.RegisterNode, request)
        self.registration_id = answer.registration_id

    async def connect(
        self,
        *,
        max_executions: int = 10,
        running: Sequence[agent_service_pb2.Execute] = (),
        max_sessions: int = 10,
        handlers: Sequence[agent_service_pb2.StartHandler] = (),
    ) -> ScriptedWorker:
        """Register if needed, open Work, say Hello and take the Welcome."""
        if not self.registration_id:
            await self.register()
        self._outgoing = asyncio.Queue()
        self._stream = self._plane.agents.Work(self._requests(), metadata=self._plane.metadata)
        hello = agent_service_pb2.Hello(
            registration_id=self.registration_id,
            max_executions=max_executions,
            max_sessions=max_sessions,
        )
        for handler in handlers:
            hello.handlers.add(session_id=handler.session_id, attempt=handler.attempt)
        for one in running:
            hello.running.add(execution_id=one.execution_id, attempt=one.attempt)
        self._outgoing.put_nowait(agent_service_pb2.WorkRequest(hello=hello))
        first = await self.receive()
        assert first.WhichOneof("message") == "welcome"
        return self

    async def _requests(self) -> AsyncIterator[agent_service_pb2.WorkRequest]:
        while (message := await self._outgoing.get()) is not None:
            yield message

    async def receive(self) -> agent_service_pb2.WorkResponse:
        """Return the next message; fail as our own error, or EOFError at the end."""
        try:
            async with asyncio.timeout(PATIENCE):
                message = await self._stream.read()
        except grpc.aio.AioRpcError as error:
            raise error_from_rpc(error) from None
        if message is grpc.aio.EOF:
            raise EOFError
        answer: agent_service_pb2.WorkResponse = message
        return answer

    async def take(self) -> agent_service_pb2.Execute:
        """Return the next Execute, without accepting it."""
        message = await self.receive()
        assert message.WhichOneof("message") == "execute", message
        return message.execute

    async def take_handler(self) -> agent_service_pb2.StartHandler:
        """Return the next StartHandler."""
        message = await self.receive()
        assert message.WhichOneof("message") == "start_handler", message
        return message.start_handler

    def accept(self, execute: agent_service_pb2.Execute) -> agent_service_pb2.Execute:
        """Send Accepted."""
        self._send(
            accepted=agent_service_pb2.Accepted(
                execution_id=execute.execution_id, attempt=execute.attempt
            )
        )
        return execute

    async def report(
        self, execute: agent_service_pb2.Execute, result: bytes = b"null", *, credit: bool = True
    ) -> int:
        """Report success, then give the credit back; return the stored status."""
        request = execution_service_pb2.ReportExecutionRequest(
            execution_id=execute.execution_id,
            attempt=execute.attempt,
            status=SUCCEEDED,
            result=result,
        )
        answer = await self._plane.call(self._plane.executions.ReportExecution, request)
        if credit:
            self.credit(1)
        status: int = answer.status
        return status

    async def fail(self, execute: agent_service_pb2.Execute, error: str) -> None:
        """Report failure."""
        request = execution_service_pb2.ReportExecutionRequest(
            execution_id=execute.execution_id, attempt=execute.attempt, status=FAILED, error=error
        )
        await self._plane.call(self._plane.executions.ReportExecution, request)
        self.credit(1)

    async def heartbeat(self) -> None:
        """Heartbeat."""
        request = node_service_pb2.HeartbeatRequest(
            node_id=self.node_id, registration_id=self.registration_id
        )
        await self._plane.call(self._plane.nodes.Heartbeat, request)

    async def deregister(self) -> None:
        """DeregisterNode."""
        request = node_service_pb2.DeregisterNodeRequest(
            node_id=self.node_id, registration_id=self.registration_id
        )
        await self._plane.call(self._plane.nodes.DeregisterNode, request)

    def credit(self, executions: int) -> None:
        """Send Credit."""
        self._send(credit=agent_service_pb2.Credit(executions=executions))

    def drain(self) -> None:
        """Send Drain."""
        self._send(drain=agent_service_pb2.Drain())

    async def goodbye(self) -> None:
        """Send Goodbye and wait for the end of the stream."""
        self._send(goodbye=agent_service_pb2.Goodbye())
        self._outgoing.put_nowait(None)
        try:
            while True:
                await self.receive()
        except EOFError:
            pass

    def drop(self) -> None:
        """Lose the connection without a word."""
        self._stream.cancel()

    def _send(self, **message: Any) -> None:
        self._outgoing.put_nowait(agent_service_pb2.WorkRequest(**message))
