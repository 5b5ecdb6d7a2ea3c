"""Synchronous functions that ask for statements, and go on when these are answered.

Each runs in a greenlet: whoever runs it has the statement executed meanwhile, and the event loop is
not held up. Several can run side by side, and what they ask for at the same moment goes to the
database together.
"""

from __future__ import annotations

__all__ = ["Answer", "Lane", "Many", "One"]

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from greenlet import getcurrent, greenlet

from agentfield.process.outcomes import Outcome, attempt

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class One:
    """A statement, to be run once."""

    sql: str
    values: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Many:
    """A statement, to be run for each of the rows."""

    sql: str
    rows: list[Sequence[Any]]


class Answer:
    """What a statement has answered."""

    __slots__ = ("_next", "_rows", "rowcount")

    def __init__(self, rows: list[tuple[Any, ...]], rowcount: int) -> None:
        self._rows = rows
        self._next = 0
        self.rowcount = rowcount

    def fetchone(self) -> tuple[Any, ...] | None:
        if self._next >= len(self._rows):
            return None
        self._next += 1
        return self._rows[self._next - 1]

    def fetchall(self) -> list[tuple[Any, ...]]:
        left, self._next = self._rows[self._next :], len(self._rows)
        return left

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.fetchall())


class Lane(Generic[T]):
    """A function on its way through its statements; it is its connection itself."""

    for_update = " FOR UPDATE"
    skip_locked = " FOR UPDATE SKIP LOCKED"

    def __init__(self, function: Callable[[Any], T]) -> None:
        self._greenlet = greenlet(function)
        self.has_changed = False
        """Whether anything may have been written."""
        self.asked: One | Many | None = None
        """What it waits for; None: it is over."""
        self.outcome: Outcome[T]
        """What came of it, once it is over."""
        self._go_on(partial(self._greenlet.switch, self))

    def answer(self, answer: Answer) -> None:
        """Go on to the next statement, or to the end."""
        self._go_on(partial(self._greenlet.switch, answer))

    def fail(self, error: Exception) -> None:
        """Go on with an error in place of an answer."""
        self._go_on(partial(self._greenlet.throw, error))

    def leave(self) -> None:
        """End it where it waits, if it is not over."""
        if not self._greenlet.dead:
            self._greenlet.throw()

    def _go_on(self, how: Callable[[], Any]) -> None:
        self.asked = None
        step = attempt(how)
        if self._greenlet.dead:
            self.outcome = step
        else:
            self.asked = step.get()

    # What the function has of it, as its connection.

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Answer:
        """Run a statement."""
        self.has_changed |= not sql.startswith("SELECT ")
        return self._ask(One(sql, values))

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> None:
        """Run a statement once for each of the rows, in one round trip."""
        if values := list(rows):
            self.has_changed = True
            self._ask(Many(sql, values))

    def lock(self, name: str) -> None:
        """Wait until no other server holds the lock of this name, and hold it until the commit."""
        self.execute("SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", (name,))

    def _ask(self, asked: One | Many) -> Answer:
        parent = self._greenlet.parent
        if parent is None or getcurrent() is not self._greenlet:
            raise RuntimeError("a connection is used outside the function that it was given to")
        answer: Answer = parent.switch(asked)
        return answer
