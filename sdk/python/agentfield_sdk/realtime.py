"""A conversation, led by its handler."""

from __future__ import annotations

__all__ = ["RealtimeSession"]

import asyncio
from collections.abc import Sequence
from typing import Any, Self

from agentfield.v1 import agent_service_pb2 as pb
from agentfield.v1 import errors
from agentfield.v1.session_service_pb2 import EndSessionRequest
from agentfield_sdk.calls import Calls
from agentfield_sdk.connection import Connection
from agentfield_sdk.context import ExecutionContext, entered
from agentfield_sdk.conversation import Conversation
from agentfield_sdk.payload import dump
from agentfield_sdk.session_checks import checked_tools
from agentfield_sdk.session_values import Session, SessionDeclaration, SessionTurn, Speech
from agentfield_sdk.values import turn_of, value_of


class RealtimeSession:
    """What a handler is given: the user's turns come in, and what it says goes out.

    ``async for turn in session`` yields the user's turns until the session ends. Everything raises
    SessionEnded after the end, but ``call`` and what is read, which go on for the session's
    handler_grace; everything outlives a control plane that is away for less than half a minute.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        session: Session,
        context: ExecutionContext,
        conversation: Conversation,
    ) -> None:
        self._connection = connection
        self._session = session
        self._context = context
        self._conversation = conversation
        self._calls = Calls(connection)

    def __repr__(self) -> str:
        return f"RealtimeSession(id={self.id!r}, attempt={self.attempt})"

    @property
    def id(self) -> str:
        """``sess_`` and 26 characters."""
        return self._session.session_id

    @property
    def attempt(self) -> int:
        """Count dispatches: above 1, an earlier attempt has spoken and called before."""
        return self._context.attempt

    @property
    def definition(self) -> SessionDeclaration | None:
        """The declaration as it was at the session's start, with the model and voice chosen then.

        Later registrations and updates do not change it.
        """
        return self._session.declaration

    @property
    def metadata(self) -> dict[str, Any]:
        """What whoever started the session said of it."""
        return self._session.metadata or {}

    @property
    def state(self) -> str:
        """``pending``, ``connecting``, ``live`` or ``ended``."""
        return self._conversation.state

    @property
    def history(self) -> list[SessionTurn]:
        """What both sides said so far, in the order of the conversation."""
        return self._conversation.history()

    async def input(self, timeout: float | None = None) -> SessionTurn:
        """Return the user's next finished turn, each once.

        A new attempt first gets those that nothing the agent said follows. Raises SessionEnded
        when there will be no more, TimeoutError if none comes within ``timeout`` seconds.
        """
        try:
            async with asyncio.timeout(timeout):
                return await self._conversation.next_turn()
        except TimeoutError:
            raise TimeoutError(f"No turn of the user came within {timeout or 0:g} s.") from None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionTurn:
        try:
            return await self.input()
        except errors.SessionEnded:
            raise StopAsyncIteration from None

    async def say(self, text: str, *, interruptible: bool = True, **metadata: Any) -> Speech:
        """Have a text spoken, and return what was heard of it. Before LIVE it waits for that.

        ``metadata`` is kept with the turn. Raises Unsupported if the user's speech is not to cut it
        and the provider cannot do that. It is never spoken twice.
        """
        if not isinstance(text, str):
            raise TypeError(f"The text to say must be a str, not {type(text).__name__}.")
        request = pb.SayRequest(
            session_id=self.id,
            attempt=self.attempt,
            text=text,
            uninterruptible=not interruptible,
            metadata=dump(metadata) if metadata else b"",
        )
        response = await self._connection.call(self._connection.agents.Say, request)
        speech: Speech = value_of(response)
        return speech

    async def respond(self, instructions: str | None = None) -> SessionTurn:
        """Let the model answer, with its tools, and return what was heard of it.

        ``instructions`` stand in place of the session's for this answer.
        """
        request = pb.RespondRequest(
            session_id=self.id, attempt=self.attempt, instructions=instructions or ""
        )
        response = await self._connection.call(self._connection.agents.Respond, request)
        return turn_of(response.turn)

    async def interrupt(self) -> bool:
        """Stop what is being said now; return whether anything was."""
        request = pb.InterruptRequest(session_id=self.id, attempt=self.attempt)
        response = await self._connection.call(self._connection.agents.Interrupt, request)
        return response.interrupted

    async def call(self, target: str, /, *args: Any, **kwargs: Any) -> Any:
        """Run ``node.function`` as a child of the session's execution, and return its result.

        It need not be listed in ``tools``. Raises like ``Agent.call``.
        """
        with entered(self._context):
            return await self._calls.call(target, *args, **kwargs)

    def with_options(
        self, *, timeout: float | None = None, request_id: str = "", actor_id: str = ""
    ) -> Calls:
        """Return calls with options: see ``Calls.with_options``.

        A handler that runs again after its worker was lost calls again; with the same
        ``request_id`` it gets the first one's result.
        """
        return self._calls.with_options(timeout=timeout, request_id=request_id, actor_id=actor_id)

    async def update(
        self, *, instructions: str | None = None, tools: Sequence[str] | None = None
    ) -> dict[str, str]:
        """Change what the model is told, or what it and the client may call; None: as before.

        Returns what the model may call, by the name it knows. Raises InvalidDeclaration for tools
        that could not be declared, TargetNotFound for a tool that does not exist.
        """
        request = pb.UpdateSessionRequest(
            session_id=self.id,
            attempt=self.attempt,
            instructions=instructions,
            tools=None if tools is None else pb.ToolList(tools=checked_tools(tools)),
        )
        response = await self._connection.call(self._connection.agents.UpdateSession, request)
        return dict(response.tool_targets)

    async def end(self, detail: str | None = None) -> None:
        """End the session. ``detail`` says why, for people."""
        request = EndSessionRequest(session_id=self.id, detail=detail or "", attempt=self.attempt)
        with entered(self._context):
            await self._connection.call(self._connection.sessions.EndSession, request)
