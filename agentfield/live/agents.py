"""What a handler can do with its session, from the worker it runs on."""

from __future__ import annotations

__all__ = ["AgentSide"]

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

import orjson

from agentfield.executions.submission import checked_request_id
from agentfield.identity import Caller
from agentfield.live import observing
from agentfield.live.inbox import Step
from agentfield.live.orders import Order
from agentfield.live.owners import NodeOwners
from agentfield.live.registry import Registry
from agentfield.live.session import LiveSession
from agentfield.sessions.effects import Spoken, Updated
from agentfield.sessions.model import Event, HandlerState, Session, Tool, session_ended
from agentfield.sessions.tools import resolve_tools
from agentfield.v1 import errors

MAX_TEXT = 8 * 1024
MAX_INSTRUCTIONS = 64 * 1024
MAX_ERROR = 32 * 1024


class AgentSide:
    """Sessions as handlers see them. Everything is checked against the attempt."""

    def __init__(self, registry: Registry, owners: NodeOwners) -> None:
        self._registry = registry
        self._store = registry.shared.store
        self._owners = owners

    async def handle(
        self, session_id: str, attempt: int, after: int, caller: Caller
    ) -> AsyncGenerator[Session | Event, None]:
        """Yield the session, then its log as it grows, while this is the current attempt.

        What is not in the log is left out: a turn's words would each come before the turn.
        """
        feed = self._registry.shared.feeds.follow(session_id, after=after)
        running = self._registry.find(session_id)
        if running is None:
            yield await self._checked(await self._store.get(session_id), session_id, caller)
            async for event in feed:
                yield event
            return
        await self._checked(running.value, session_id, caller)
        async with running.handler.followed(attempt), aclosing(feed):
            yield running.value
            async for event in feed:
                running.handler.check(attempt)  # its loss is an event, too
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
        facts = _json_object(metadata)
        running = await self._current(session_id, attempt, caller)
        if uninterruptible and not running.provider.capabilities.uninterruptible_speech:
            raise errors.Unsupported(
                f"Provider '{running.provider.name}' cannot keep the user from cutting speech; "
                "say it interruptible.",
                metadata={"provider": running.provider.name},
            )
        saying = self._command(
            running,
            attempt,
            ("say", request_id),
            lambda command_id, now: running.conversation.say(
                command_id, text, now, attempt=attempt, metadata=facts
            ),
        )
        return await observing.speech("session.say", running.value, saying)

    async def respond(
        self, session_id: str, attempt: int, request_id: str, instructions: str, caller: Caller
    ) -> Spoken:
        """Let the model answer and return what became of it."""
        too_long = len(instructions.encode()) > MAX_INSTRUCTIONS
        _require(not too_long, "instructions", f"have at most {MAX_INSTRUCTIONS} bytes")
        running = await self._current(session_id, attempt, caller)
        saying = self._command(
            running,
            attempt,
            ("respond", request_id),
            lambda command_id, now: running.conversation.respond(
                command_id, instructions or None, now, attempt=attempt
            ),
        )
        return await observing.speech("session.respond", running.value, saying)

    async def interrupt(
        self, session_id: str, attempt: int, request_id: str, caller: Caller
    ) -> bool:
        """Stop what is being said now; return whether there was anything."""
        running = await self._current(session_id, attempt, caller)
        stopped: bool = await self._command(
            running, attempt, ("interrupt", request_id), running.conversation.interrupt
        )
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
        too_long = len((instructions or "").encode()) > MAX_INSTRUCTIONS
        _require(not too_long, "instructions", f"have at most {MAX_INSTRUCTIONS} bytes")
        running = await self._current(session_id, attempt, caller)
        resolved = None if tools is None else await self._resolve(running.value, tools)
        updated: Updated = await self._command(
            running,
            attempt,
            ("update", request_id),
            lambda command_id, now: running.handler.update(command_id, instructions, resolved, now),
        )
        return updated

    async def returned(self, session_id: str, attempt: int, caller: Caller) -> None:
        """Note that the handler has returned."""
        await self._report(
            session_id, attempt, caller, lambda r: partial(r.handler.returned, attempt)
        )

    async def failed(self, session_id: str, attempt: int, error: str, caller: Caller) -> None:
        """Note that the handler has raised."""
        text = error[:MAX_ERROR] or "The handler failed and gave no reason."
        await self._report(
            session_id, attempt, caller, lambda r: partial(r.handler.failed, attempt, text)
        )

    async def lost(self, session_id: str, attempt: int, caller: Caller) -> None:
        """Note that the handler's worker leaves: the next attempt begins."""
        detail = "its worker left"
        await self._report(
            session_id, attempt, caller, lambda r: partial(r.handler.lost, attempt, detail)
        )

    # --- inside ---

    async def _report(
        self, session_id: str, attempt: int, caller: Caller, step: Callable[[LiveSession], Step]
    ) -> None:
        running = self._registry.find(session_id)
        if running is None:
            self._registry.refuse_while_draining()
            await self._checked(await self._store.get(session_id), session_id, caller)
        else:
            await self._checked(running.value, session_id, caller)
        # Of an attempt that was replaced as well: its worker has the room again.
        self._registry.shared.workers.free(session_id, attempt)
        if running is not None:  # else it is over for good: there is nothing to change any more
            await running.perform(step(running))

    async def _command(
        self,
        running: LiveSession,
        attempt: int,
        which: tuple[str, str],
        act: Callable[[str, float], Sequence[Order]],
    ) -> Any:
        """Have a command taken: its rpc and request_id tell which of this attempt's it is."""
        rpc, request_id = which
        if not checked_request_id(request_id):
            raise errors.InvalidArgument(
                "A command needs a request_id, so that a repeat is known.",
                metadata={"field": "request_id"},
            )
        self._registry.refuse_while_draining()
        command_id = f"{attempt} {rpc} {request_id}"

        def step(now: float) -> Sequence[Order]:
            return running.handler.commanded(command_id, attempt, partial(act, command_id), now)

        return await running.command(command_id, step)

    async def _resolve(self, session: Session, tools: Sequence[str]) -> tuple[Tool, ...]:
        targets = [t for tool in tools for t in (tool, f"{session.node_id}.{tool}")]
        return resolve_tools(session.node_id, tools, await self._store.functions(targets))

    async def _current(self, session_id: str, attempt: int, caller: Caller) -> LiveSession:
        """Return a session whose handler this attempt is. Raises what forbids it."""
        running = await self._running(session_id, caller)
        running.handler.check(attempt)
        if running.value.is_over:
            raise session_ended(running.value)
        return running

    async def _running(self, session_id: str, caller: Caller) -> LiveSession:
        running = self._registry.find(session_id)
        if running is None:
            self._registry.refuse_while_draining()
            session = await self._store.get(session_id)
            raise session_ended(await self._checked(session, session_id, caller))
        await self._checked(running.value, session_id, caller)
        return running

    async def _checked(self, session: Session | None, session_id: str, caller: Caller) -> Session:
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
