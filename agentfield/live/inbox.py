"""Steps of one session, taken one after the other, and the times at which some are due."""

from __future__ import annotations

__all__ = ["Alarms", "Inbox", "Step"]

import asyncio
from collections.abc import Callable, Sequence

from agentfield.live.orders import Order

Step = Callable[[float], Sequence[Order]]
"""Told the time, in seconds of the loop's clock; returns what is to be recorded and done."""

MAX_WAITING = 4096
MAX_AT_ONCE = 256


class Alarms:
    """Named times, each with a step that is due then. Setting one again moves it."""

    def __init__(self) -> None:
        self._due: dict[str, tuple[float, Step]] = {}

    def set(self, name: str, at: float, step: Step) -> None:
        self._due[name] = (at, step)

    def cancel(self, name: str) -> None:
        self._due.pop(name, None)

    def set_once(self, name: str, at: float, step: Step) -> None:
        """Set an alarm, unless it is set."""
        self._due.setdefault(name, (at, step))

    def move(self, name: str, at: float) -> None:
        """Move an alarm that is set; one that is not stays so."""
        if name in self._due:
            self._due[name] = (at, self._due[name][1])

    @property
    def next(self) -> float:
        return min((at for at, _ in self._due.values()), default=float("inf"))

    def take(self, now: float) -> list[Step]:
        """Return the steps that are due, and forget them."""
        due = sorted((at, name) for name, (at, _) in self._due.items() if at <= now)
        return [self._due.pop(name)[1] for _, name in due]


class Inbox:
    """Steps that wait. One who posts faster than they are taken has to wait as well."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Step] = asyncio.Queue(MAX_WAITING)

    async def post(self, step: Step) -> None:
        await self._queue.put(step)

    def close(self) -> None:
        """Forget what has come, so that whoever waits for room does not for ever."""
        while not self._queue.empty():
            self._queue.get_nowait()

    def wake(self) -> None:
        """Let whoever waits for a step look again."""
        if self._queue.empty():
            self._queue.put_nowait(lambda _: [])

    def rest(self) -> list[Step]:
        """Return the steps that have come, without waiting."""
        steps: list[Step] = []
        while len(steps) < MAX_AT_ONCE and not self._queue.empty():
            steps.append(self._queue.get_nowait())
        return steps

    async def take(self, until: float) -> list[Step]:
        """Return the steps that have come, waiting until a time for the first."""
        if self._queue.empty():
            at = min(until, asyncio.get_running_loop().time() + 3600)
            try:
                async with asyncio.timeout_at(at):
                    return [await self._queue.get(), *self.rest()]
            except TimeoutError:
                return []
        return self.rest()
