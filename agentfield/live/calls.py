"""The provider calls of one session: offers taken to the provider, and the link to the current one.

A call is on disk before the provider is asked, its id as soon as the provider's headers are there.
A client that goes away meanwhile cancels nothing: the call is adopted, then ended.
"""

from __future__ import annotations

__all__ = ["Calls"]

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from agentfield.ids import new_id
from agentfield.live.hangups import TOPIC
from agentfield.live.links import Links
from agentfield.live.observing import offering
from agentfield.live.orders import Order, Then
from agentfield.live.placed import PlacedCall, replaced, safety_identifier
from agentfield.live.whole import Whole
from agentfield.sessions import ports
from agentfield.sessions.model import (
    CallState,
    EndReason,
    ProviderCall,
    State,
    connecting,
    session_ended,
    unconnected,
)
from agentfield.sessions.offers import has_channel
from agentfield.sessions.provider import Command, OfferRequest, ProviderRefused
from agentfield.telemetry import ABANDONED_CALLS, ATTACH_SECONDS, OPEN_CALLS
from agentfield.v1 import errors


class Calls:
    """Takes offers, keeps one call at a time, and lets go of the others."""

    def __init__(self, session: Whole) -> None:
        self._session = session
        self._current: PlacedCall | None = None
        self._links = Links(session)
        self._under_way: set[PlacedCall] = set()
        """Calls whose offer is with the provider."""
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def under_way(self) -> bool:
        """Whether an offer is with the provider and its call may still have to be ended."""
        return bool(self._under_way)

    @property
    def current_id(self) -> str:
        return self._current.value.provider_call_id if self._current else ""

    def facts(self) -> dict[str, Any]:
        """Return what the log says of the current call."""
        return {"provider_call_id": self.current_id, "generation": self._session.value.generation}

    # --- what the session asks ---

    def offer(self, sdp: bytes, answer: asyncio.Future[bytes], _: float) -> Sequence[Order]:
        """Take an offer; ``answer`` is set when the provider has answered, or to what failed."""
        try:
            return self._offer(sdp, answer)
        except errors.AgentFieldError as error:
            if not answer.done():
                answer.set_exception(error)
            return []

    async def send(self, command: Command) -> None:
        """Tell the provider something, if there is a link."""
        if self._current is not None:
            await self._links.send(self._current, command)

    def adopt(self, value: ProviderCall, heard_at: int, now: float) -> Sequence[Order]:
        """Go on with a call that was taken before; ``heard_at`` is when it was heard last."""
        since = heard_at or value.created_at
        call = PlacedCall(value=value, heard_at=since, lost_at=since)
        self._current = call
        OPEN_CALLS.inc()
        self._set_duration_alarm(now, value)
        self._session.alarms.cancel("connect")
        expected = self._links.expect(call, now)
        return [*expected, Then(run=lambda: self._links.attach(call))]

    @property
    def quiet_for(self) -> float:
        """Return for how many seconds nothing has been heard of the current call."""
        heard_at = self._current.heard_at if self._current else 0
        return (self._session.shared.store.now() - heard_at) / 1e6 if heard_at else 0.0

    async def placed(self) -> None:
        """Wait until no offer is with the provider."""
        await self._idle.wait()

    def retire(self, error: errors.AgentFieldError) -> Sequence[Order]:
        """Let go of the current call: it is hung up until that is confirmed.

        Who still waits for its answer gets the error.
        """
        call, self._current = self._current, None
        if call is None:
            return []
        call.retired = True
        self._session.alarms.cancel("link")
        answering = Then(run=lambda: call.answer(error))
        if call.value.state is not CallState.OPEN:
            return [answering]  # not taken yet; it ends when it is
        if call.closed:
            OPEN_CALLS.dec()
            return [call.over(CallState.ENDED, self._session.shared.store.now()), answering]
        call.value = replace(call.value, state=CallState.ENDING)
        return [
            ports.PutCall(call=call.value),
            answering,
            Then(run=lambda: self._links.detach(call)),
            Then(run=self._hang_up),
        ]

    def gone_live(self, now: float) -> None:
        """Note that the link of the current call is live."""
        call = self._current
        if call is not None and call.taken_at is not None:
            ATTACH_SECONDS.observe(now - call.taken_at)
            call.taken_at = None

    def stop(self) -> None:
        """Break the link off; the call itself is for others to end."""
        if self._current is not None:
            self._links.detach(self._current)

    def let_go(self) -> None:
        """Note that the current call is others' to attend to."""
        if self._current is not None and self._current.value.state is CallState.OPEN:
            OPEN_CALLS.dec()

    def abandon(self) -> Sequence[Order]:
        """Note that nobody takes in any more what the provider makes of offers under way."""
        orders: list[Order] = []
        for call in self._under_way:
            if call.value.state is CallState.CREATING:
                ABANDONED_CALLS.inc()
                orders.append(call.over(CallState.ABANDONED, self._session.shared.store.now()))
        self._under_way.clear()
        self._idle.set()
        return orders

    # --- inside ---

    def _offer(self, sdp: bytes, answer: asyncio.Future[bytes]) -> Sequence[Order]:
        session = self._session
        if session.value.is_over:
            raise session_ended(session.value)
        digest = hashlib.sha256(sdp).digest()
        current = self._current
        if current is not None and current.value.offer_sha256 == digest:
            current.askers.append(answer)
            if current.value.answer_sdp is not None:
                current.answer(current.value.answer_sdp)
            return []
        generation = session.value.generation + 1
        after = connecting(session.value, generation=generation)
        orders = list(self.retire(replaced(session.value.session_id)))
        session.value = after
        call = self._new_call(sdp, digest, generation)
        call.askers.append(answer)
        request = OfferRequest(
            sdp=sdp,
            configuration=session.conversation.configuration,
            safety_identifier=safety_identifier(session.value.session_id),
        )
        self._current = call
        self._under_way.add(call)
        self._idle.clear()
        facts = {**self.facts(), "data_channel": call.has_channel}
        return [
            *orders,
            ports.PutCall(call=call.value),
            ports.PutSession(session=session.value),
            ports.Append(type="session.connecting", data=facts),
            Then(run=lambda: session.errands.run(self._place(call, request), "offer")),
        ]

    def _new_call(self, sdp: bytes, digest: bytes, generation: int) -> PlacedCall:
        session = self._session
        value = ProviderCall(
            provider_call_id=new_id("call"),
            session_id=session.value.session_id,
            generation=generation,
            provider=session.provider.name,
            transport=session.provider.transport,
            state=CallState.CREATING,
            created_at=session.shared.store.now(),
            offer_sha256=digest,
        )
        return PlacedCall(value=value, has_channel=has_channel(sdp))

    async def _place(self, call: PlacedCall, request: OfferRequest) -> None:
        """Take an offer to the provider, whoever still waits for the answer."""
        session = self._session

        async def taken(external_id: str) -> None:
            await session.perform(lambda now: self._taken(call, external_id, now))

        try:
            with offering(call.value):
                found = await session.provider.adapter.offer(request, taken)
        except errors.AgentFieldError as error:
            failure = error
            await session.perform(lambda now: self._refused(call, failure, now))
        else:
            await session.perform(lambda _: self._answered(call, found.answer_sdp))

    def _taken(self, call: PlacedCall, external_id: str, now: float) -> Sequence[Order]:
        """Note the provider's id of a call, and attach to it at once."""
        OPEN_CALLS.inc()
        call.taken_at = now
        state = CallState.ENDING if call.retired else CallState.OPEN
        call.value = replace(call.value, external_id=external_id, state=state)
        if call.retired:
            return [ports.PutCall(call=call.value), Then(run=self._hang_up)]
        self._set_duration_alarm(now, call.value)
        return [ports.PutCall(call=call.value), Then(run=lambda: self._links.attach(call))]

    def _set_duration_alarm(self, now: float, call: ProviderCall) -> None:
        session = self._session
        now -= (session.shared.store.now() - call.created_at) / 1e6
        most = session.provider.capabilities.max_duration_s - 60
        seconds = min(session.value.declaration.limits.max_duration, most)
        over = session.end_because(EndReason.MAX_DURATION, "it lasted for its max_duration")
        session.alarms.set("duration", now + seconds, over)

    def _settled(self) -> None:
        if not self._under_way:
            self._idle.set()

    def _answered(self, call: PlacedCall, answer_sdp: bytes) -> Sequence[Order]:
        self._under_way.discard(call)
        if call.retired:
            return [Then(run=self._settled)]  # nobody asks, and it may have been hung up by now
        call.value = replace(call.value, answer_sdp=answer_sdp)
        return [
            ports.PutCall(call=call.value),
            Then(run=lambda: call.answer(answer_sdp)),
            Then(run=self._settled),
        ]

    def _refused(
        self, call: PlacedCall, error: errors.AgentFieldError, now: float
    ) -> Sequence[Order]:
        """Note that an offer failed: the client may offer again while there is time."""
        self._under_way.discard(call)
        session = self._session
        orders: list[Order] = [Then(run=lambda: call.answer(error)), Then(run=self._settled)]
        if call is self._current:
            if call.value.state is CallState.OPEN:  # it was taken, and its answer was lost
                orders += self.retire(error)
            self._current = None
        if call.value.state is CallState.CREATING:
            state = CallState.ENDED if error.metadata.get("status") else CallState.ABANDONED
            orders.append(call.over(state, session.shared.store.now()))
        data = {"code": error.metadata.get("code", ""), "message": error.message, "command_id": ""}
        if isinstance(error, ProviderRefused):
            data["body"] = error.body
        orders.append(ports.Append(type="provider.error", data=data))
        if self._current is not None:
            return orders
        session.alarms.cancel("duration")
        session.value = unconnected(session.value)
        orders += [ports.PutSession(session=session.value), *session.conversation.unlinked()]
        if session.value.state is State.LIVE:
            # We are in a call whose client never got its answer: nobody will ever speak in it.
            orders += session.end(EndReason.PROVIDER_ERROR, error.message, now)
        return orders

    def _hang_up(self) -> None:
        self._session.shared.hints.publish(TOPIC, "")
