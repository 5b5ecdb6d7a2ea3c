"""Work that is finished although whoever asked for it has gone: an rpc may be cancelled any time."""

from __future__ import annotations

__all__ = ["Outliving"]

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from agentfield.process.outcomes import attempted

T = TypeVar("T")


class Outliving:
    """Runs pieces of work to their end."""

    def __init__(self) -> None:
        self._group: asyncio.TaskGroup | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take work while the block runs; what is not finished then is cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                yield
            finally:
                self._group = None

    async def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what work returns, or raise what it raises; it ends even if this wait does not."""
        if self._group is None:
            return await work
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._group.create_task(_into(work, answer), name="outliving")
        return await asyncio.shield(answer)


async def _into(work: Coroutine[Any, Any, T], answer: asyncio.Future[T]) -> None:
    try:
        (await attempted(work)).tell(answer)
    finally:
        answer.cancel()  # where nothing has come of it
        if not answer.cancelled():
            answer.exception()  # whoever asked may have gone
