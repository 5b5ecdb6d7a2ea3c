"""What a handler can do with its session, from the worker it runs on."""

from __future__ import annotations

__all__ = ["AgentSide"]

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import orjson

from agentfield.executions.submission import checked_request_id
from agentfield.identity import Caller
from agentfield.live import observing
from agentfield.live.owners import NodeOwners
from agentfield.live.registry import Registry
from agentfield.live.relay import Relay
from agentfield.sessions.commands import (
    HandlerOutcome,
    Interrupt,
    ReportHandler,
    Respond,
    Say,
    UpdateSession,
)
from agentfield.sessions.effects import Spoken, Updated
from agentfield.sessions.model import Event, HandlerState, Session, check_attempt, session_ended
from agentfield.sessions.sharing import Following, FollowRole
from agentfield.v1 import errors

MAX_TEXT = 8 * 1024
MAX_INSTRUCTIONS = 64 * 1024
MAX_ERROR = 32 * 1024


class AgentSide:
    """Sessions as handlers see them. Everything is checked against the attempt."""

    def __init__(self, registry: Registry, relay: Relay, owners: NodeOwners) -> None:
        self._registry = registry
        self._relay = relay
        self._store = registry.shared.store
        self._owners = owners

    async def handle(
        self, session_id: str, attempt: int, after: int, caller: Caller
    ) -> AsyncGenerator[Session | Event, None]:
        """Yield the session, then its log as it grows, while this is the current attempt.

        What is not in the log is left out: a turn's words would each come before the turn.
        """
        shared = self._registry.shared
        session = await self._found(session_id, caller)
        feed = shared.feeds.follow(session_id, after=after)
        if session.handler is not HandlerState.RUNNING and session.is_over:
            yield session
            async for event in feed:
                yield event
            return
        check_attempt(session, attempt)
        following = Following(session_id=session_id, role=FollowRole.HANDLER, attempt=attempt)
        with shared.streams.open(following):
            async with aclosing(feed):
                yield session
                async for event in feed:
                    if event.type == "handler.lost" and event.data["attempt"] >= attempt:
                        check_attempt(await self._found(session_id, caller), attempt)
                    if event.sequence:
                        yield event

    async def say(
        self,
        session_id: str,
        attempt: int,
        request_id: str,
        text: str,
        *,
        uninterruptible: bool,
        metadata: bytes,
        caller: Caller,
    ) -> Spoken:
        """Have a text spoken and return what became of it."""
        _require(bool(text.strip()), "text", "has words to say")
        _require(len(text.encode()) <= MAX_TEXT, "text", f"has at most {MAX_TEXT} bytes")
        say = Say(
            attempt=attempt,
            request_id=request_id,
            text=text,
            uninterruptible=uninterruptible,
            metadata=_json_object(metadata),
        )
        session = await self._current(session_id, say, caller)
        return await observing.speech("session.say", session, self._relay.do(session_id, say))

    async def respond(
        self, session_id: str, attempt: int, request_id: str, instructions: str, caller: Caller
    ) -> Spoken:
        """Let the model answer and return what became of it."""
        _check_instructions(instructions)
        respond = Respond(attempt=attempt, request_id=request_id, instructions=instructions)
        session = await self._current(session_id, respond, caller)
        speaking = self._relay.do(session_id, respond)
        return await observing.speech("session.respond", session, speaking)

    async def interrupt(
        self, session_id: str, attempt: int, request_id: str, caller: Caller
    ) -> bool:
        """Stop what is being said now; return whether there was anything."""
        interrupt = Interrupt(attempt=attempt, request_id=request_id)
        await self._current(session_id, interrupt, caller)
        stopped: bool = await self._relay.do(session_id, interrupt)
        return stopped

    async def update(
        self,
        session_id: str,
        attempt: int,
        request_id: str,
        *,
        instructions: str | None,
        tools: Sequence[str] | None,
        caller: Caller,
    ) -> Updated:
        """Change the instructions or the tools, and return what the model may call then."""
        _check_instructions(instructions or "")
        update = UpdateSession(
            attempt=attempt,
            request_id=request_id,
            instructions=instructions,
            tools=None if tools is None else tuple(tools),
        )
        await self._current(session_id, update, caller)
        updated: Updated = await self._relay.do(session_id, update)
        return updated

    async def returned(self, session_id: str, attempt: int, caller: Caller) -> None:
        """Note that the handler has returned."""
        report = ReportHandler(attempt=attempt, outcome=HandlerOutcome.RETURNED)
        await self._report(session_id, report, caller)

    async def failed(self, session_id: str, attempt: int, error: str, caller: Caller) -> None:
        """Note that the handler has raised."""
        text = error[:MAX_ERROR] or "The handler failed and gave no reason."
        report = ReportHandler(attempt=attempt, outcome=HandlerOutcome.FAILED, error=text)
        await self._report(session_id, report, caller)

    async def lost(self, session_id: str, attempt: int, caller: Caller) -> None:
        """Note that the handler's worker leaves: the next attempt begins."""
        report = ReportHandler(attempt=attempt, outcome=HandlerOutcome.LOST)
        await self._report(session_id, report, caller)

    # --- inside ---

    async def _report(self, session_id: str, report: ReportHandler, caller: Caller) -> None:
        session = await self._found(session_id, caller)
        # Of an attempt that was replaced as well: its worker has the room again.
        self._registry.shared.workers.free(session_id, report.attempt)
        if session.handler is HandlerState.RUNNING:  # else there is nothing to change any more
            await self._relay.do(session_id, report)

    async def _current(
        self, session_id: str, command: Say | Respond | Interrupt | UpdateSession, caller: Caller
    ) -> Session:
        """Return a session whose handler may give it a command. Raises what forbids it."""
        session = await self._found(session_id, caller)
        check_attempt(session, command.attempt)
        if session.is_over:
            raise session_ended(session)
        if not checked_request_id(command.request_id):
            raise errors.InvalidArgument(
                "A command needs a request_id, so that a repeat is known.",
                metadata={"field": "request_id"},
            )
        self._registry.refuse_while_draining()
        return session

    async def _found(self, session_id: str, caller: Caller) -> Session:
        """Return a session with a handler, whose node is the caller's."""
        running = self._registry.find(session_id)
        session = running.value if running else await self._store.get(session_id)
        if session is None:
            raise errors.SessionNotFound(
                f"There is no session '{session_id}'.", metadata={"session_id": session_id}
            )
        await self._owners.check(caller, session)
        if session.handler is HandlerState.NONE:
            raise errors.InvalidArgument(
                f"Session {session.target} declares no handler.", metadata={"field": "session_id"}
            )
        return session


def _require(holds: bool, name: str, what: str) -> None:  # noqa: FBT001
    if not holds:
        raise errors.InvalidArgument(f"The {name} {what}.", metadata={"field": name})


def _check_instructions(text: str) -> None:
    most = MAX_INSTRUCTIONS
    _require(len(text.encode()) <= most, "instructions", f"have at most {most} bytes")


def _json_object(data: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(data or b"{}")
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict) or len(data) > 16 * 1024:
        raise errors.InvalidArgument(
            "The metadata is a JSON object of at most 16 KiB.", metadata={"field": "metadata"}
        )
    return found
