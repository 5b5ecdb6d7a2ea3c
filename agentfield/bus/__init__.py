"""Hints that something changed, within this process."""

from __future__ import annotations

__all__ = ["InProcessBus"]

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Listener:
    """Remembers hints until somebody waits for them. The same hint twice is one."""

    def __init__(self) -> None:
        self._hints: set[tuple[str, str]] = set()
        self._some = asyncio.Event()

    def add(self, topic: str, key: str) -> None:
        self._hints.add((topic, key))
        self._some.set()

    async def wait(self, timeout: float | None = None) -> Iterable[tuple[str, str]]:
        try:
            async with asyncio.timeout(timeout):
                await self._some.wait()
        except TimeoutError:
            return ()
        hints, self._hints = self._hints, set()
        self._some.clear()
        return hints


class InProcessBus:
    """Carries hints between the parts of one process."""

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
