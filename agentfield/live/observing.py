"""What is told of a session to those who operate it: counts, times and spans.

It is read off what the provider tells and off what was logged; nothing depends on it. A turn lasts
from the end of the user's speech until the first sound of an answer, or until nobody will answer.
"""

from __future__ import annotations

__all__ = ["Observer", "about", "inside", "inside_tool", "offering", "speech"]

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from opentelemetry.trace import SpanKind

from agentfield import telemetry
from agentfield.process import logs, tracing
from agentfield.sessions import provider as p
from agentfield.sessions.effects import Spoken
from agentfield.sessions.model import EndReason, Event, ProviderCall, Session, failed_by


def inside(session: Session) -> str:
    """Return the traceparent of what the session does, wherever that is done."""
    return tracing.standing_for(
        session.session_id, parent=session.traceparent, trace_of=session.run_id
    )


def inside_tool(session: Session, execution_id: str) -> str:
    """Return the traceparent of what a tool of the session does as this execution."""
    return tracing.standing_for(
        f"tool {execution_id}", parent=inside(session), trace_of=session.run_id
    )


@contextmanager
def about(session: Session) -> Iterator[None]:
    """Make logs name the session, and put spans below its own, while the block runs."""
    with logs.about(session_id=session.session_id), tracing.within(inside(session)):
        yield


@contextmanager
def offering(call: ProviderCall) -> Iterator[None]:
    """Time an offer's way to the provider and back, and make a span of it."""
    began_at = time.monotonic()
    facts = tracing.facts(
        session_id=call.session_id,
        provider_call_id=call.provider_call_id,
        provider=call.provider,
        transport=call.transport,
        generation=call.generation,
    )
    with tracing.span("session.offer", facts, kind=SpanKind.CLIENT):
        yield
    telemetry.OFFER_SECONDS.observe(time.monotonic() - began_at)


async def speech(name: str, session: Session, speaking: Awaitable[Spoken]) -> Spoken:
    """Have something spoken, and make a span of it."""
    facts = tracing.facts(session_id=session.session_id)
    with tracing.span(name, facts, parent=tracing.here() or inside(session)) as span:
        spoken = await speaking
        told = tracing.facts(outcome=spoken.outcome, heard_ms=spoken.heard_ms)
        span.set_attributes(told)
    return spoken


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """A turn that waits for its answer."""

    item_id: str
    began_at: int
    """By the store's clock."""
    since: float
    """By the loop's clock."""


class Observer:
    """Watches one session."""

    def __init__(self, session: Session, clock: Callable[[], int]) -> None:
        self._session = session
        self._clock = clock
        self._speaks = "audio" in session.declaration.modalities
        self._turn: _Turn | None = None
        self._last_item_id = ""
        self._called_at: dict[str, int] = {}
        """When the model called tools that run, by call ids."""

    def heard(self, event: p.ProviderEvent, now: float) -> None:
        """Take in what the provider tells."""
        match event:
            case p.SpeechStopped(item_id=item_id) | p.TurnCommitted(item_id=item_id):
                self._begin_turn(item_id, now)
            case p.ItemAdded(type="message", role="user", item_id=item_id, text=str()):
                self._begin_turn(item_id, now)
            case p.PlaybackStarted():
                if self._turn is not None:
                    telemetry.FIRST_AUDIO_SECONDS.observe(now - self._turn.since)
                self._end_turn(answered=True)
            case p.AgentDelta() if not self._speaks:
                self._end_turn(answered=True)
            case _:
                pass

    def logged(self, events: Iterable[Event]) -> None:
        """Take in what has been logged."""
        for event in events:
            self._logged(event.type, event.data, event.at)

    # --- inside ---

    def _logged(self, type_: str, data: Mapping[str, Any], at: int) -> None:
        match type_:
            case "turn.committed":
                telemetry.TURNS.labels(data["channel"]).inc()
            case "agent.interrupted":
                telemetry.INTERRUPTIONS.inc()
            case "provider.lost":
                telemetry.LOST_LINKS.inc()
            case "provider.gap":
                self._gap(_microseconds(data["from"]), _microseconds(data["to"]))
            case "client.tampering":
                telemetry.TAMPERING.inc()
            case "tool.called" if data["call_id"]:
                self._called_at[data["call_id"]] = at
            case "tool.refused":
                telemetry.TOOLS.labels("refused").inc()
            case "tool.finished":
                self._tool_finished(data, at)
            case "session.ended":
                self._end_turn(answered=False)
                self._ended(EndReason(data["reason"]), at)

    def _begin_turn(self, item_id: str, now: float) -> None:
        if item_id == self._last_item_id:
            return
        self._end_turn(answered=False)
        self._last_item_id = item_id
        self._turn = _Turn(item_id=item_id, began_at=self._clock(), since=now)

    def _end_turn(self, *, answered: bool) -> None:
        turn, self._turn = self._turn, None
        if turn is None:
            return
        self._record(
            "session.turn",
            f"turn {self._session.session_id} {turn.item_id}",
            tracing.facts(item_id=turn.item_id, answered=answered),
            began_at=turn.began_at,
            ended_at=self._clock(),
        )

    def _gap(self, began_at: int, ended_at: int) -> None:
        telemetry.GAP_SECONDS.observe(max(ended_at - began_at, 0) / 1e6)
        thing = f"gap {self._session.session_id} {began_at}"
        self._record("session.gap", thing, {}, began_at=began_at, ended_at=ended_at)

    def _tool_finished(self, data: Mapping[str, Any], at: int) -> None:
        telemetry.TOOLS.labels(data["status"]).inc()
        telemetry.TOOL_SECONDS.observe(data["duration_ms"] / 1000)
        call_id, execution_id = data["call_id"] or "", data["execution_id"]
        self._record(
            "session.tool",
            f"tool {execution_id or call_id}",
            tracing.facts(
                call_id=call_id,
                execution_id=execution_id,
                target=data["target"],
                status=data["status"],
            ),
            began_at=self._called_at.pop(call_id, at - data["duration_ms"] * 1000),
            ended_at=at,
            error=data["error_reason"],
        )

    def _record(self, name: str, thing: str, facts: tracing.Facts, **times: Any) -> None:
        session = self._session
        facts = {**facts, "agentfield.session_id": session.session_id}
        tracing.record(name, thing, facts, parent=inside(session), trace_of=session.run_id, **times)

    def _ended(self, reason: EndReason, at: int) -> None:
        session = self._session
        tracing.record(
            "session",
            session.session_id,
            tracing.facts(
                session_id=session.session_id,
                run_id=session.run_id,
                target=session.target,
                provider=session.declaration.provider,
                transport=session.declaration.transport,
                reason=reason,
            ),
            parent=session.traceparent,
            trace_of=session.run_id,
            began_at=session.created_at,
            ended_at=at,
            error=failed_by(reason) or "",
        )


def _microseconds(time_: str) -> int:
    return round(datetime.fromisoformat(time_).timestamp() * 1e6)
