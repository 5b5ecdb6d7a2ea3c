"""The lease of this process: while it holds, the sessions it took are its own."""

from __future__ import annotations

__all__ = ["Lease"]

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from agentfield.dispatch.background import until_stored
from agentfield.executions.engine import Topic
from agentfield.executions.ports import Hints
from agentfield.ids import new_id
from agentfield.sessions.sharing import Replicas
from agentfield.telemetry import LOST_LEASES
from agentfield.v1 import errors

log = logging.getLogger("agentfield.live")

LEASE_SECONDS = 10.0
RENEW_SECONDS = 3.0
HOLD_SECONDS = 6.0
"""How long a replica that cannot renew goes on: the rest of the lease is for clocks and pauses."""
RETRY_SECONDS = 0.25


class Lease:
    """One lease after the other; a process that lost one comes back as another replica."""

    def __init__(self, store: Replicas, hints: Hints, *, alone: bool) -> None:
        self.store = store
        self.alone = alone
        """No other process can use the database: the lease cannot be lost."""
        self.replica_id = ""
        self._hints = hints
        self._asked_at = float("-inf")
        """When the newest renewal that succeeded was asked for, by the loop's clock."""
        self._is_over = False

    @property
    def is_held(self) -> bool:
        """Whether nobody else can have taken over what this process runs."""
        return self.alone or (not self._is_over and _now() < self._asked_at + HOLD_SECONDS)

    async def join(self) -> None:
        """Take a lease, under an id that nobody had before."""
        replica_id, asked_at = new_id("repl"), _now()
        await self.store.join(replica_id, lease=LEASE_SECONDS, alone=self.alone)
        self.replica_id, self._asked_at = replica_id, asked_at

    async def leave(self) -> None:
        """Give the lease back, so that others go on with what it covered at once."""
        self._is_over = True
        try:
            async with asyncio.timeout(RENEW_SECONDS):
                await self.store.leave(self.replica_id)
        except (errors.StoreUnavailable, TimeoutError):
            log.warning("the lease runs out by itself")
        self._hints.publish(Topic.UNOWNED, "")

    async def run(
        self, let_go: Callable[[], Awaitable[None]], begin_anew: Callable[[], Awaitable[None]]
    ) -> None:
        """Renew until cancelled.

        When the lease is lost, ``let_go`` of what it covered, at once; ``begin_anew`` once there is
        another one.
        """
        while not (self.alone or self._is_over):
            await asyncio.sleep(RENEW_SECONDS)
            if self._is_over or await self._renew():
                continue
            lost = self.replica_id
            LOST_LEASES.inc()
            log.warning("the lease is lost", extra={"replica_id": lost})
            await let_go()
            await until_stored(self.join)
            log.warning("another lease is taken", extra={"replica_id": self.replica_id})
            await until_stored(partial(self.store.leave, lost))
            await until_stored(begin_anew)
            self._hints.publish(Topic.UNOWNED, "")

    async def _renew(self) -> bool:
        """Prolong the lease, in as many attempts as there is time for; return whether it is held."""
        while self.is_held:
            asked_at = _now()
            try:
                async with asyncio.timeout(self._asked_at + HOLD_SECONDS - asked_at):
                    if not await self.store.renew(self.replica_id, lease=LEASE_SECONDS):
                        return False
            except (errors.StoreUnavailable, TimeoutError):
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._asked_at = asked_at
                return self.is_held
        return False


def _now() -> float:
    return asyncio.get_running_loop().time()
