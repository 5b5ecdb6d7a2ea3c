"""The log of a session, as far as it has been seen, and waits for what it will say."""

from __future__ import annotations

__all__ = ["LOG_TITLE", "SessionLog"]

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson

from agentfield.simulator.tasks import owned_tasks
from agentfield_sdk import SessionEvent

LOG_TITLE = "The session's log:"
_WIDTH = 160


class SessionLog:
    """Events in the order of their arrival, those that are not in the log (0) among them."""

    def __init__(self) -> None:
        self.events: list[SessionEvent] = []
        self._taken: set[int] = set()
        self._changed = asyncio.Event()
        self._over = asyncio.Event()
        self._closed = ""

    def __str__(self) -> str:
        """Show the log for people: a line for each event that is not a piece of another."""
        if not self.events:
            return "  (nothing)"
        return "\n".join(map(_line, (e for e in self.events if not e.type.endswith(".delta"))))

    @property
    def last_sequence(self) -> int:
        """The number of the newest event that is in the log."""
        return max((event.sequence for event in self.events), default=0)

    @property
    def ended(self) -> bool:
        """Whether the session's end has been seen."""
        return any(event.type == "session.ended" for event in self.events)

    def add(self, event: SessionEvent) -> None:
        """Take an event in."""
        self.events.append(event)
        if event.type == "session.ended":
            self.close(f"before the session ended ({event.data.get('reason')})")
        self._changed.set()

    def close(self, why: str) -> None:
        """Let waits fail from now on, as nothing more will come."""
        self._closed = self._closed or why
        self._over.set()
        self._changed.set()

    async def until(
        self, type_: str, facts: Mapping[str, Any], *, seconds: float, keep: bool = False
    ) -> SessionEvent:
        """Return the first event of a type whose data has these facts, each event only once.

        With ``keep`` it can be had again. It may have come already. Raises AssertionError, with the log, when it has not come within
        ``seconds`` or the session has ended without it.
        """
        async with self.patience(type_, facts, seconds):
            while (found := self.take(type_, facts, keep=keep)) is None:
                if self._closed:
                    raise self.failure(type_, facts, self._closed)
                await self._change()
            return found

    async def during(
        self, happening: Coroutine[Any, Any, None], missed: str, *, seconds: float
    ) -> None:
        """Wait for something that no event tells of, as long as ``until`` would wait.

        Raises AssertionError, which says what was ``missed`` and shows the log.
        """
        async with owned_tasks() as tasks:
            happens = tasks.create_task(happening)
            over = tasks.create_task(self._over.wait())
            try:
                either = asyncio.FIRST_COMPLETED
                await asyncio.wait({happens, over}, timeout=seconds, return_when=either)
                if not happens.done():
                    raise self._failure(missed, self._closed or f"within {seconds:g} s")
            finally:
                happens.cancel()
                over.cancel()

    async def reaches(self, sequence: int, *, seconds: float) -> None:
        """Wait until the log has been seen up to a number, or to its end."""
        async with self.patience(f"event {sequence}", {}, seconds):
            while self.last_sequence < sequence and not self._closed:
                await self._change()

    def take(
        self, type_: str, facts: Mapping[str, Any], *, keep: bool = False
    ) -> SessionEvent | None:
        """Return the first such event that was not taken before, if there is one."""
        for place, event in enumerate(self.events):
            fits = all(event.data.get(name) == value for name, value in facts.items())
            if event.type == type_ and fits and place not in self._taken:
                if not keep:
                    self._taken.add(place)
                return event
        return None

    @asynccontextmanager
    async def patience(
        self, type_: str, facts: Mapping[str, Any], seconds: float
    ) -> AsyncIterator[None]:
        """Fail, with the log, what takes longer than so many seconds."""
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            raise self.failure(type_, facts, f"within {seconds:g} s") from None

    def failure(self, type_: str, facts: Mapping[str, Any], when: str) -> AssertionError:
        """Return what is raised when an event did not come."""
        wanted = " with " + ", ".join(f"{k}={v!r}" for k, v in facts.items()) if facts else ""
        return self._failure(f"No {type_}{wanted} came", when)

    def _failure(self, missed: str, when: str) -> AssertionError:
        return AssertionError(f"{missed} {when}. {LOG_TITLE}\n{self}")

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


def _line(event: SessionEvent) -> str:
    at = event.at.strftime("%H:%M:%S.%f")[:-3] if event.at else ""
    told = "  ".join(
        f"{name}={value if isinstance(value, str) else orjson.dumps(value).decode()}"
        for name, value in event.data.items()
        if name != "schema" and value not in (None, "")
    )
    told = told if len(told) <= _WIDTH else told[: _WIDTH - 1] + "…"
    return f"  {at}  {event.sequence or '':>4}  {event.type:<20}  {told}".rstrip()
