"""What runs beside the steps of a session: offers, links, tools."""

from __future__ import annotations

__all__ = ["Errands"]

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from agentfield.v1 import errors


class Errands:
    """The tasks of one session; they are cancelled when its steps are over."""

    def __init__(self) -> None:
        self._group: asyncio.TaskGroup | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run errands while the block runs. Raises what one of them fails with, in a group."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                yield
            finally:
                self._group = None
            for task in self._tasks:
                task.cancel()

    def run(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None] | None:
        """Run something; None if it is too late for that."""
        if self._group is None:
            work.close()
            return None
        task = self._group.create_task(_to_its_end(work), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # cancelled, it may not have begun
        return task


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    with suppress(errors.SessionEnded):  # it came to tell, and nobody listens any more
        await work
