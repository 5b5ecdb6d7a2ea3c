"""Provider calls that are to end: hung up again and again until that is confirmed.

The queue is the store: what is ENDING there is hung up, also after a restart. The owner of a session
does that for its calls; with the session they go to the next one.
"""

from __future__ import annotations

__all__ = ["HangUps"]

import asyncio
import logging
from collections.abc import Callable, Mapping

from agentfield.dispatch.background import until_stored
from agentfield.executions.ports import Hints
from agentfield.live.leases import Lease
from agentfield.live.supervision import supervised
from agentfield.sessions.model import CallState, ProviderCall
from agentfield.sessions.ports import Store
from agentfield.sessions.provider import Provider
from agentfield.telemetry import OPEN_CALLS
from agentfield.v1 import errors

log = logging.getLogger("agentfield.live")

TOPIC = "hang-up"
POLL_SECONDS = 1.0
FIRST_RETRY_SECONDS = 0.25
LAST_RETRY_SECONDS = 30.0
YOUNG_SECONDS = 10.0
"""A call that is not known to the provider counts as ended only when it is older than this."""
AT_ONCE = 16


class HangUps:
    """Ends the provider calls that the store says are ending."""

    def __init__(
        self,
        *,
        store: Store,
        hints: Hints,
        lease: Lease,
        providers: Mapping[tuple[str, str], Provider],
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._hints = hints
        self._lease = lease
        self._providers = providers
        self._clock = clock
        self._under_way: set[str] = set()
        self._over: set[str] = set()
        """Of those under way, the ones that have ended."""
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(self) -> None:
        """Hang up until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            with self._hints.listen((TOPIC, None)) as listener:
                while True:
                    # Those that end while the list is read may still be in it.
                    over = set(self._over)
                    for call in await until_stored(self._ending):
                        if call.provider_call_id not in self._under_way:
                            self._under_way.add(call.provider_call_id)
                            self._idle.clear()
                            tasks.create_task(self._end(call), name="hang-up")
                    self._under_way -= over
                    self._over -= over
                    await listener.wait(POLL_SECONDS)

    async def settled(self, within: float) -> None:
        """Wait until nothing is left to hang up, for so many seconds at most."""
        try:
            async with asyncio.timeout(within):
                while await self._ending():
                    self._hints.publish(TOPIC, "")
                    await self._idle.wait()
                    await asyncio.sleep(0)
        except TimeoutError:
            log.warning("provider calls are not confirmed to have ended")

    async def _ending(self) -> list[ProviderCall]:
        return await self._store.calls_in(CallState.ENDING, owner=self._lease.replica_id)

    async def _end(self, call: ProviderCall) -> None:
        wait = FIRST_RETRY_SECONDS
        try:
            while not await self._attempt(call):
                await asyncio.sleep(wait)
                wait = min(2 * wait, LAST_RETRY_SECONDS)
            OPEN_CALLS.dec()
        finally:
            self._over.add(call.provider_call_id)
            if self._under_way == self._over:
                self._idle.set()

    async def _attempt(self, call: ProviderCall) -> bool:
        """Hang up once; return whether the end is confirmed and stored."""
        provider = self._providers.get((call.provider, call.transport))
        if provider is None:
            log.error("no provider to hang up with", extra={"provider": call.provider})
            return False
        facts = {"provider_call_id": call.provider_call_id, "session_id": call.session_id}
        known: bool | None = None
        with supervised("hang-up failed", **facts):
            try:
                async with self._slots:
                    known = await provider.adapter.hang_up(call.external_id)
            except errors.ProviderFailed as error:
                status = error.metadata.get("status", "")
                log.warning("hang-up not confirmed", extra=facts | {"status": status})
        is_young = self._clock() - call.created_at < YOUNG_SECONDS * 1e6
        if known is None or (not known and is_young):
            return False
        await until_stored(lambda: self._store.settle_call(call.provider_call_id, CallState.ENDED))
        return True
