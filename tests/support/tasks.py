"""What a test has going on beside it."""

from __future__ import annotations

__all__ = ["Meanwhile", "meanwhile"]

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from agentfield.process.outcomes import attempted
from agentfield.simulator.tasks import owned_tasks

T = TypeVar("T")


class Meanwhile:
    """Work of a task group whose failures are for who awaits it, and end nothing else."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        """Have something done; what it returns or raises comes out of the future."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._tasks.append(self._group.create_task(_into(work, answer)))
        return answer

    def cancel(self) -> None:
        """Have it all end."""
        for task in self._tasks:
            task.cancel()


async def _into(work: Coroutine[Any, Any, T], answer: asyncio.Future[T]) -> None:
    try:
        (await attempted(work)).tell(answer)
    finally:
        answer.cancel()  # where nothing has come of it


@asynccontextmanager
async def meanwhile() -> AsyncIterator[Meanwhile]:
    """Have work go on beside the block; what is left of it is cancelled when the block is left."""
    async with owned_tasks() as group:
        beside = Meanwhile(group)
        try:
            yield beside
        finally:
            beside.cancel()
