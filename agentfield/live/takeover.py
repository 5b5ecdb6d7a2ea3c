"""Sessions that nobody runs: those of replicas that are gone, and those that were given to this one."""

from __future__ import annotations

__all__ = ["TakeOver"]

import logging
from contextlib import suppress
from functools import partial

from agentfield.dispatch.background import until_stored
from agentfield.executions.engine import Topic
from agentfield.live.registry import Registry
from agentfield.sessions.model import EndReason, Session
from agentfield.sessions.sharing import Unowned
from agentfield.telemetry import TAKEN_OVER

log = logging.getLogger("agentfield.live")

POLL_SECONDS = 1.0
AT_ONCE = 8
"""Sessions that one replica takes before others had a chance."""


class TakeOver:
    """Looks for such sessions, takes them, and goes on with them."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._shared = registry.shared
        self._lease = registry.shared.lease

    async def run(self) -> None:
        """Look again and again, until cancelled. Who is alone has looked once, and loses no hint."""
        if self._lease.alone:
            return
        with self._shared.hints.listen((Topic.UNOWNED, None)) as listener:
            while True:
                if self._lease.is_held and not self._registry.is_draining:
                    await self.look()
                    await self._end_cancelled()
                await listener.wait(POLL_SECONDS)

    async def look(self) -> None:
        """Take all there are, a few at a time, and go on with them."""
        while self._lease.is_held and (taken := await until_stored(self._take)):
            for session in taken:
                await self._go_on(session)

    async def _take(self) -> list[Session]:
        # The lease may have become another one while the store was waited for.
        return await self._lease.store.take(self._lease.replica_id, limit=AT_ONCE)

    async def _go_on(self, session: Session) -> None:
        # It may run here for an owner that this process was before.
        await self._registry.let_go(session.session_id)
        if session.owner_epoch == 1:
            self._registry.begin(session)
            return
        TAKEN_OVER.inc()
        facts = {"session_id": session.session_id, "owner_epoch": session.owner_epoch}
        log.info("a session is taken over", extra=facts)
        with suppress(Unowned):  # another one was quicker meanwhile
            await until_stored(partial(self._registry.take_up, session))

    async def _end_cancelled(self) -> None:
        """End sessions whose root execution was cancelled, should the hint of it be lost."""
        cancelled = partial(self._lease.store.cancelled, self._lease.replica_id)
        for session_id in await until_stored(cancelled):
            session = self._registry.find(session_id)
            if session is not None:
                detail = "its root execution was cancelled"
                ending = session.post(session.end_because(EndReason.API_ENDED, detail))
                session.errands.run(ending, "cancelled-root")
