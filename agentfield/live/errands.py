"""What runs beside the steps of a session: offers, links, tools."""

from __future__ import annotations

__all__ = ["Errands"]

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from agentfield.v1 import errors

log = logging.getLogger("agentfield.live")


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
        errand = _to_its_end(work, name)
        try:
            task = self._group.create_task(errand, name=name)
        except RuntimeError:  # the group is failing this very moment
            errand.close()
            work.close()
            return None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # cancelled, it may not have begun
        return task


async def _to_its_end(work: Coroutine[Any, Any, None], name: str) -> None:
    try:
        await work
    except (errors.SessionEnded, errors.ServerDraining):
        pass  # it came to tell, and nobody listens any more
    except errors.AgentFieldError as error:
        # The call goes on: what an errand cannot do is no reason to hang up.
        log.warning("an errand failed", extra={"errand": name, "reason": error.reason})
