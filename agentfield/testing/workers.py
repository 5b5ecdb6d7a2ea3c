"""A worker that does nothing by itself: the test takes its work and reports what came of it."""

from __future__ import annotations

__all__ = ["ScriptedFunction", "ScriptedWorker"]

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc

from agentfield.contract.status import error_from_rpc
from agentfield.testing.handlers import ScriptedHandler
from agentfield.testing.plane import PATIENCE, ControlPlane
from agentfield.v1 import (
    agent_service_pb2,
    execution_pb2,
    execution_service_pb2,
    node_service_pb2,
    session_pb2,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedFunction:
    """A function of a scripted worker."""

    name: str
    idempotent: bool = False
    input_schema: bytes = b""
    """JSON Schema. Empty: anything."""


class ScriptedWorker:
    """One worker of a node. As a context manager it is connected, and says goodbye at the end."""

    def __init__(
        self,
        plane: ControlPlane,
        node_id: str,
        *functions: str | ScriptedFunction,
        instance_id: str = "w1",
        sessions: Sequence[session_pb2.SessionDeclaration] = (),
    ) -> None:
        self._plane = plane
        self.node_id = node_id
        self.instance_id = instance_id
        self._functions = [ScriptedFunction(name=f) if isinstance(f, str) else f for f in functions]
        self._sessions = sessions
        self._outgoing: asyncio.Queue[agent_service_pb2.WorkRequest | None] = asyncio.Queue()
        self.registration_id = ""
        self._stream: Any = None

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._stream.done():
            await self.goodbye()

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
                input_schema=function.input_schema,
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
        assert first.WhichOneof("message") == "welcome", first  # noqa: S101 - for tests
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
        assert message.WhichOneof("message") == "execute", message  # noqa: S101 - for tests
        return message.execute

    async def take_handler(self) -> agent_service_pb2.StartHandler:
        """Return the next StartHandler."""
        message = await self.receive()
        assert message.WhichOneof("message") == "start_handler", message  # noqa: S101 - for tests
        return message.start_handler

    async def lead(self) -> ScriptedHandler:
        """Take the next StartHandler and open its session."""
        handler = ScriptedHandler(self._plane, await self.take_handler())
        await handler.open()
        return handler

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
            status=execution_pb2.EXECUTION_STATUS_SUCCEEDED,
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
            execution_id=execute.execution_id,
            attempt=execute.attempt,
            status=execution_pb2.EXECUTION_STATUS_FAILED,
            error=error,
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
