"""Hints that something changed: within this process, and between servers of one database."""

from __future__ import annotations

__all__ = ["InProcessBus", "PostgresBus", "Wire"]

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from agentfield.executions.engine import Topic

LOOKS_PER_SECOND = 500
"""How often all who wait for hints of other servers together look whether one was lost."""


class Listener:
    """Remembers hints, in their order, until somebody waits for them. The same hint twice is one."""

    def __init__(self) -> None:
        self._hints: dict[tuple[str, str], None] = {}
        self._some = asyncio.Event()

    def add(self, topic: str, key: str) -> None:
        self._hints[topic, key] = None
        self._some.set()

    def wake(self) -> None:
        """End a wait without a hint: some may have been lost."""
        self._some.set()

    async def wait(self, timeout: float | None = None) -> Iterable[tuple[str, str]]:
        try:
            async with asyncio.timeout(timeout):
                await self._some.wait()
        except TimeoutError:
            return ()
        hints, self._hints = self._hints, {}
        self._some.clear()
        return hints


class InProcessBus:
    """Carries hints between the parts of one process. It loses none."""

    trusted_seconds = 5.0

    def __init__(self) -> None:
        self._listeners: dict[tuple[str, str | None], set[Listener]] = {}

    def publish(self, topic: str, key: str) -> None:
        for subject in ((topic, key), (topic, None)):
            for listener in self._listeners.get(subject, ()):
                listener.add(topic, key)

    @contextmanager
    def listen(self, *topics: tuple[str, str | None]) -> Iterator[Listener]:
        listener = Listener()
        for subject in topics:
            self._listeners.setdefault(subject, set()).add(listener)
        try:
            yield listener
        finally:
            for subject in topics:
                there = self._listeners[subject]
                there.discard(listener)
                if not there:
                    del self._listeners[subject]

    @property
    def waiting(self) -> int:
        """How many topics and keys are listened to."""
        return len(self._listeners)

    def wake(self) -> None:
        """End every wait: hints may have been lost."""
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.wake()


class Wire(Protocol):
    """The way to the other servers of one database."""

    def tell(self, topic: str, key: str) -> None:
        """Have a hint arrive there together with what this process is to write next."""

    def attach(self, *, heard: Callable[[str, str], None], missed: Callable[[], None]) -> None:
        """Have hints of others told here, and that some may have been missed."""


class PostgresBus:
    """Carries hints at once within this process, and to others with the commit they are about."""

    def __init__(self, wire: Wire) -> None:
        self._here = InProcessBus()
        self._wire = wire
        wire.attach(heard=self._here.publish, missed=self._here.wake)

    @property
    def trusted_seconds(self) -> float:
        """A second; longer for very many who wait, who would keep the store busy with looking."""
        return max(1.0, self._here.waiting / LOOKS_PER_SECOND)

    def publish(self, topic: str, key: str) -> None:
        self._here.publish(topic, key)
        if topic != Topic.DRAIN:  # that one goes down is nothing to the others
            self._wire.tell(topic, key)

    def listen(self, *topics: tuple[str, str | None]) -> AbstractContextManager[Listener]:
        return self._here.listen(*topics)
