"""A session handler that does nothing by itself: the test hears for it, and says what it says."""

from __future__ import annotations

__all__ = ["ScriptedHandler"]

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
import orjson

from agentfield.contract.status import error_from_rpc
from agentfield.testing.log import SessionLog
from agentfield.testing.plane import PATIENCE, ControlPlane
from agentfield.v1 import agent_service_pb2 as pb
from agentfield.v1 import session_pb2
from agentfield_sdk import SessionEvent
from agentfield_sdk.values import value_of

# Longer than anything is spoken in a test.
_SPEAKING_SECONDS = 60.0


class ScriptedHandler:
    """One attempt of a session's handler, as ``ScriptedWorker.lead`` returns it."""

    def __init__(self, plane: ControlPlane, start: pb.StartHandler) -> None:
        self._plane = plane
        self._of: dict[str, Any] = {"session_id": start.session_id, "attempt": start.attempt}
        self._log = SessionLog()
        self._stream: Any = None
        self.start = start

    async def open(self, *, after_sequence: int = 0) -> session_pb2.Session:
        """Call HandleSession, again if need be, and return the session as it is then."""
        request = pb.HandleSessionRequest(**self._of, after_sequence=after_sequence)
        self._stream = self._plane.agents.HandleSession(request, metadata=self._plane.metadata)
        async with asyncio.timeout(PATIENCE):
            first = await self._read()
        if first is None or first.WhichOneof("message") != "opened":
            raise AssertionError(f"The stream of a handler begins with opened, not with: {first}")
        opened: session_pb2.Session = first.opened.session
        return opened

    async def until(
        self, type_: str, /, *, seconds: float = PATIENCE, **facts: Any
    ) -> SessionEvent:
        """Return the first such event that was not returned before: see ``SessionLog.until``."""
        async with self._log.patience(type_, facts, seconds):
            while (found := self._log.take(type_, facts)) is None:
                message = await self._read()
                if message is None:
                    raise self._log.failure(type_, facts, "before the stream ended")
                self._log.add(value_of(message.event))
            return found

    async def say(
        self, text: str, *, interruptible: bool = True, request_id: str = "", **metadata: Any
    ) -> pb.SayResponse:
        """Have a text spoken, and return what was heard of it."""
        request = pb.SayRequest(
            **self._of,
            text=text,
            request_id=request_id,
            uninterruptible=not interruptible,
            metadata=orjson.dumps(metadata) if metadata else b"",
        )
        said: pb.SayResponse = await self._ask(self._plane.agents.Say, request)
        return said

    async def respond(self, instructions: str = "", *, request_id: str = "") -> pb.RespondResponse:
        """Let the model answer, and return what was heard of it."""
        request = pb.RespondRequest(**self._of, instructions=instructions, request_id=request_id)
        answer: pb.RespondResponse = await self._ask(self._plane.agents.Respond, request)
        return answer

    async def interrupt(self) -> bool:
        """Stop what is being said; return whether anything was."""
        answer = await self._ask(self._plane.agents.Interrupt, pb.InterruptRequest(**self._of))
        interrupted: bool = answer.interrupted
        return interrupted

    async def update(
        self, *, instructions: str | None = None, tools: Sequence[str] | None = None
    ) -> Mapping[str, str]:
        """Change what is given; return what the model may call, by the name it knows."""
        request = pb.UpdateSessionRequest(
            **self._of,
            instructions=instructions,
            tools=None if tools is None else pb.ToolList(tools=tools),
        )
        answer = await self._ask(self._plane.agents.UpdateSession, request)
        return dict(answer.tool_targets)

    async def returned(self) -> None:
        """Report that it has returned."""
        await self._report(outcome=pb.HANDLER_OUTCOME_RETURNED)

    async def failed(self, error: str) -> None:
        """Report that it raised."""
        await self._report(outcome=pb.HANDLER_OUTCOME_FAILED, error=error)

    async def lost(self) -> None:
        """Report that its worker leaves."""
        await self._report(outcome=pb.HANDLER_OUTCOME_LOST)

    def drop(self) -> None:
        """Lose the stream without a word."""
        self._stream.cancel()

    async def _report(self, **outcome: Any) -> None:
        request = pb.ReportHandlerRequest(**self._of, **outcome)
        await self._ask(self._plane.agents.ReportHandler, request)

    async def _ask(self, rpc: Any, request: Any) -> Any:
        if not getattr(request, "request_id", "none"):
            request.request_id = uuid.uuid4().hex
        try:
            return await rpc(request, metadata=self._plane.metadata, timeout=_SPEAKING_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise error_from_rpc(error) from None

    async def _read(self) -> pb.HandleSessionResponse | None:
        try:
            message = await self._stream.read()
        except grpc.aio.AioRpcError as error:
            raise error_from_rpc(error) from None
        if message is grpc.aio.EOF:
            return None
        read: pb.HandleSessionResponse = message
        return read
