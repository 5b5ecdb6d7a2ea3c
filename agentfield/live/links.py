"""The link to a provider call: attached, and attached again when it is lost.

A lost link ends nothing. The call goes on without us, and only the provider says that it is over.
"""

from __future__ import annotations

__all__ = ["Links"]

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from agentfield.live.orders import Order
from agentfield.live.placed import PlacedCall
from agentfield.live.whole import Whole
from agentfield.sessions import ports
from agentfield.sessions.model import EndReason, State, relinking
from agentfield.sessions.provider import (
    CallLink,
    Command,
    Configured,
    ItemAdded,
    ItemDeleted,
    ItemFound,
    ItemMissing,
    LinkClosed,
    ProviderEvent,
)
from agentfield.telemetry import LIVE_SESSIONS
from agentfield.v1 import errors

SEND_SECONDS = 2.5
"""How long the provider may take to take a command; steps wait meanwhile."""
RELINK_SECONDS = 60.0
"""How long a call may be without a link before its session is given up."""
STEADY_SECONDS = 10.0
"""A link that is lost sooner is not attached again at once."""
FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.1, 5.0


class Links:
    """Keeps the current call of a session linked."""

    def __init__(self, session: Whole) -> None:
        self._session = session

    # --- what the calls ask ---

    def attach(self, call: PlacedCall) -> None:
        """Attach to a call, and again whenever the link is lost."""
        if not call.retired:
            call.linking = self._session.errands.run(self._follow(call), "link")

    def detach(self, call: PlacedCall) -> None:
        """Break the link off; the call itself is for others to end."""
        call.link = None
        if call.linking is not None:
            call.linking.cancel()

    async def send(self, call: PlacedCall, command: Command) -> None:
        """Tell the provider something, if there is a link; one that takes nothing is given up."""
        if call.link is None:
            return
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await call.link.send(command)
        except TimeoutError:
            self.detach(call)
            stuck = self._again(call, "the provider did not take what it was sent")
            call.linking = self._session.errands.run(stuck, "stuck")

    def expect(self, call: PlacedCall, now: float) -> Sequence[Order]:
        """Wait for the link of a call that goes on without us, for a while."""
        session = self._session
        detail = "its provider call could not be attached to again in time"
        session.alarms.cancel("idle")
        given_up = session.end_because(EndReason.PROVIDER_ERROR, detail)
        session.alarms.set_once("link", now + RELINK_SECONDS, given_up)
        session.value = relinking(session.value)
        call.taken_at = None
        facts = {"provider_call_id": call.value.provider_call_id}
        logged = {**facts, "generation": call.value.generation}
        return [
            ports.PutSession(session=session.value),
            ports.Append(type="session.connecting", data=logged),
        ]

    # --- inside ---

    async def _again(self, call: PlacedCall, detail: str) -> None:
        await self._session.perform(partial(self._lost, call, detail))
        await self._follow(call)

    async def _follow(self, call: PlacedCall) -> None:
        """Take in what the provider tells, over lost links, until the call is over or given up."""
        clock, pause = asyncio.get_running_loop().time, 0.0
        while not call.retired:
            began_at = clock()
            try:
                lost = await self._attended(call)
            except errors.ProviderFailed as error:
                await self._session.post(partial(self._failed, call, error))
                return
            if lost is None:
                return
            await self._session.perform(partial(self._lost, call, lost))
            is_steady = clock() >= began_at + STEADY_SECONDS
            pause = 0.0 if is_steady else min(2 * pause or FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS)
            await asyncio.sleep(pause)

    async def _attended(self, call: PlacedCall) -> str | None:
        """Attach once; return how the link was lost, None if the provider ended the call."""
        session = self._session
        attaching = session.provider.adapter.attach(
            call.value.external_id,
            session.conversation.configuration,
            age=(session.shared.store.now() - call.value.created_at) / 1e6,
            patience=RELINK_SECONDS if call.lost_at else None,
        )
        lost: str | None = None
        async with attaching as link:
            await session.perform(partial(self._linked, call, link))
            async for event in link.events():
                if isinstance(event, LinkClosed) and not event.by_provider:
                    lost = event.detail
                else:
                    await session.post(partial(self._told, call, event))
        return lost

    def _failed(
        self, call: PlacedCall, error: errors.ProviderFailed, now: float
    ) -> Sequence[Order]:
        if call.retired:
            return []
        gone = error.metadata.get("gone") == "true"
        reason = EndReason.PROVIDER_CLOSED if gone else EndReason.PROVIDER_ERROR
        return self._session.end(reason, error.message, now)

    def _linked(self, call: PlacedCall, link: CallLink, now: float) -> Sequence[Order]:
        if call.retired:
            return []
        call.link, conversation = link, self._session.conversation
        since, call.lost_at = call.lost_at, 0
        until = self._session.shared.store.now()
        if not since:
            call.heard_at = until
            placed = call.value.provider_call_id
            return conversation.linked(placed, data_channel=call.has_channel)
        return conversation.relinked({"from": _shown(since), "to": _shown(until)}, now)

    def _lost(self, call: PlacedCall, detail: str, now: float) -> Sequence[Order]:
        session = self._session
        call.link, call.lost_at = None, session.shared.store.now()
        if call.retired or session.value.is_over:
            return []
        if session.value.state is State.LIVE:
            LIVE_SESSIONS.dec()
        data = {"provider_call_id": call.value.provider_call_id, "detail": detail}
        return [
            ports.Append(type="provider.lost", data=data),
            *session.conversation.unlinked(),
            *self.expect(call, now),
        ]

    def _told(self, call: PlacedCall, event: ProviderEvent, now: float) -> Sequence[Order]:
        if call.retired:
            return []
        call.closed = isinstance(event, LinkClosed)
        if not _only_answers_us(event):
            call.heard_at = self._session.shared.store.now()
            self._session.heard_something(now)
        self._session.observer.heard(event, now)
        return self._session.conversation.heard_from(event, now)


def _only_answers_us(event: ProviderEvent) -> bool:
    """Return whether an event does not keep a session from being idle."""
    match event:
        case Configured() | ItemMissing() | ItemDeleted() | ItemAdded(role="system"):
            return True
        case ItemFound(role=role):
            return role != "user"
        case _:
            return False


def _shown(at: int) -> str:
    """Return microseconds since the epoch as people and JSON write times."""
    return datetime.fromtimestamp(at / 1e6, UTC).isoformat().replace("+00:00", "Z")
