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
from functools import partial
from typing import Any

from agentfield.ids import new_id
from agentfield.live.hangups import TOPIC
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
from agentfield.sessions.provider import (
    CallLink,
    Command,
    LinkClosed,
    OfferRequest,
    ProviderRefused,
)
from agentfield.telemetry import ABANDONED_CALLS, ATTACH_SECONDS, OPEN_CALLS
from agentfield.v1 import errors

SEND_SECONDS = 2.5
"""How long the provider may take to take a command; steps wait meanwhile."""


class Calls:
    """Takes offers, keeps one call at a time, and lets go of the others."""

    def __init__(self, session: Whole) -> None:
        self._session = session
        self._current: PlacedCall | None = None
        self._under_way: set[PlacedCall] = set()
        """Calls whose offer is with the provider."""

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
        """Tell the provider something, if there is a link; one that takes nothing is given up."""
        call, session = self._current, self._session
        if call is None or call.link is None:
            return
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await call.link.send(command)
        except TimeoutError:
            self._unlink(call)
            detail = "the provider did not take what it was sent"
            stuck = session.post(session.end_because(EndReason.PROVIDER_ERROR, detail))
            session.errands.run(stuck, "stuck")

    def retire(self, error: errors.AgentFieldError) -> Sequence[Order]:
        """Let go of the current call: it is hung up until that is confirmed.

        Who still waits for its answer gets the error.
        """
        call, self._current = self._current, None
        if call is None:
            return []
        call.retired = True
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
            Then(run=lambda: self._unlink(call)),
            Then(run=self._hang_up),
        ]

    def gone_live(self, now: float) -> None:
        """Note that the link of the current call is live."""
        if self._current is not None:
            ATTACH_SECONDS.observe(now - self._current.taken_at)

    def stop(self) -> None:
        """Break the link off; the call itself is for others to end."""
        if self._current is not None:
            self._unlink(self._current)

    def abandon(self) -> Sequence[Order]:
        """Note that nobody takes in any more what the provider makes of offers under way."""
        orders: list[Order] = []
        for call in self._under_way:
            if call.value.state is CallState.CREATING:
                ABANDONED_CALLS.inc()
                orders.append(call.over(CallState.ABANDONED, self._session.shared.store.now()))
        self._under_way.clear()
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
        call = PlacedCall(
            value=ProviderCall(
                provider_call_id=new_id("call"),
                session_id=session.value.session_id,
                generation=generation,
                provider=session.provider.name,
                transport=session.provider.transport,
                state=CallState.CREATING,
                created_at=session.shared.store.now(),
                offer_sha256=digest,
            ),
            configuration=session.conversation.configuration,
            askers=[answer],
        )
        self._current = call
        self._under_way.add(call)
        return [
            *orders,
            ports.PutCall(call=call.value),
            ports.PutSession(session=session.value),
            ports.Append(type="session.connecting", data=self.facts()),
            Then(run=lambda: session.errands.run(self._place(call, sdp), "offer")),
        ]

    async def _place(self, call: PlacedCall, sdp: bytes) -> None:
        """Take an offer to the provider, whoever still waits for the answer."""
        session = self._session
        request = OfferRequest(
            sdp=sdp,
            configuration=call.configuration,
            safety_identifier=safety_identifier(session.value.session_id),
        )

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
        self._set_duration_alarm(now)
        return [ports.PutCall(call=call.value), Then(run=lambda: self._link(call))]

    def _set_duration_alarm(self, now: float) -> None:
        session = self._session
        most = session.provider.capabilities.max_duration_s - 60
        seconds = min(session.value.declaration.limits.max_duration, most)
        over = session.end_because(EndReason.MAX_DURATION, "it lasted for its max_duration")
        session.alarms.set("duration", now + seconds, over)

    def _answered(self, call: PlacedCall, answer_sdp: bytes) -> Sequence[Order]:
        self._under_way.discard(call)
        if call.retired:
            return []  # nobody asks any more, and it may have been hung up by now
        call.value = replace(call.value, answer_sdp=answer_sdp)
        return [
            ports.PutCall(call=call.value),
            Then(run=lambda: call.answer(answer_sdp)),
        ]

    def _refused(
        self, call: PlacedCall, error: errors.AgentFieldError, now: float
    ) -> Sequence[Order]:
        """Note that an offer failed: the client may offer again while there is time."""
        self._under_way.discard(call)
        session = self._session
        orders: list[Order] = [Then(run=lambda: call.answer(error))]
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

    def _link(self, call: PlacedCall) -> None:
        if not call.retired:
            call.linking = self._session.errands.run(self._follow(call), "link")

    async def _follow(self, call: PlacedCall) -> None:
        """Attach to a call and take in what the provider tells, until the link is gone."""
        session = self._session
        adapter = session.provider.adapter
        configuration = session.conversation.configuration
        try:
            async with adapter.attach(call.value.external_id, configuration) as link:
                await session.perform(lambda _: self._linked(call, link))
                async for event in link.events():
                    await session.post(partial(self._told, call, event))
        except errors.ProviderFailed as error:
            message = error.message
            gone = error.metadata.get("gone") == "true"
            reason = EndReason.PROVIDER_CLOSED if gone else EndReason.PROVIDER_ERROR
            await session.post(
                lambda now: [] if call.retired else session.end(reason, message, now)
            )

    def _linked(self, call: PlacedCall, link: CallLink) -> Sequence[Order]:
        if call.retired:
            return []
        call.link = link
        return self._session.conversation.linked(call.value.provider_call_id)

    def _told(self, call: PlacedCall, event: Any, now: float) -> Sequence[Order]:
        if call.retired:
            return []
        call.closed = isinstance(event, LinkClosed) and event.by_provider
        self._session.heard_something(now)
        self._session.observer.heard(event, now)
        return self._session.conversation.heard_from(event, now)

    def _unlink(self, call: PlacedCall) -> None:
        call.link = None
        if call.linking is not None:
            call.linking.cancel()

    def _hang_up(self) -> None:
        self._session.shared.hints.publish(TOPIC, "")
