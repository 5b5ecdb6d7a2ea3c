"""What happens because time passes."""

from __future__ import annotations

__all__ = ["Sweeper"]

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from agentfield.dispatch.background import until_stored
from agentfield.executions.engine import announce
from agentfield.executions.model import Execution
from agentfield.executions.ports import Hints
from agentfield.executions.work import WorkStore
from agentfield.telemetry import QUEUED

EXPIRE_SECONDS = 0.2
GIVE_UP_SECONDS = 0.5
COUNT_SECONDS = 2.0
FORGET_SECONDS = 60.0
EXPIRE_AT_ONCE = 500


class ExpiringStore(Protocol):
    """Executions that end by themselves."""

    async def expire(self, limit: int) -> list[Execution]:
        """Time out what is due, and cancel the unfinished descendants; return what changed."""

    async def queued(self) -> int:
        """Return how many wait for a worker."""

    async def forget_requests(self) -> None:
        """Forget the request ids that may be used again."""


class Sweeper:
    """Times out what is due, gives up workers that stay away, forgets what nobody needs."""

    def __init__(
        self,
        *,
        executions: ExpiringStore,
        work: WorkStore,
        hints: Hints,
        agent_grace: float,
        registration_lease: float,
    ) -> None:
        self._executions = executions
        self._work = work
        self._hints = hints
        self._grace = agent_grace
        self._lease = registration_lease

    async def run(self) -> None:
        """Sweep until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for seconds, sweep in (
                (EXPIRE_SECONDS, self._expire),
                (GIVE_UP_SECONDS, self._give_up),
                (COUNT_SECONDS, self._count),
                (FORGET_SECONDS, self._forget),
            ):
                tasks.create_task(_every(seconds, sweep), name=f"sweep{sweep.__name__}")

    async def _expire(self) -> None:
        announce(self._hints, await self._executions.expire(EXPIRE_AT_ONCE))

    async def _give_up(self) -> None:
        await self._work.see_off_gone()
        announce(self._hints, await self._work.give_up(grace=self._grace))

    async def _count(self) -> None:
        QUEUED.set(await self._executions.queued())

    async def _forget(self) -> None:
        await self._executions.forget_requests()
        await self._work.forget(lease=self._lease)


async def _every(seconds: float, sweep: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        await until_stored(sweep)
