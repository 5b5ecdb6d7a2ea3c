"""Spans of OpenTelemetry: what one call went through, across processes.

The environment switches them on, by OpenTelemetry's own variables; the extra ``[otel]`` brings what
it takes. Otherwise none is made, unless the program has a tracer provider of its own. Spans say
what happened to what: ids, names, numbers, reasons. What people said, inputs, results, error texts
and keys are in none of them.

What lasts longer than a process has a span whose id follows from the thing's own id, so that any
process can put children below it before it has ended, and whichever process sees its end can tell
of it.
"""

from __future__ import annotations

__all__ = [
    "WANTED",
    "Facts",
    "Ids",
    "facts",
    "fail",
    "here",
    "is_on",
    "record",
    "span",
    "standing_for",
    "switch",
    "within",
]

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode

if TYPE_CHECKING:  # the extra may be missing
    from opentelemetry.sdk.trace import TracerProvider

Facts = Mapping[str, str | int | float | bool]
"""A span's attributes."""

_SCOPE = "agentfield"
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")


@dataclass(frozen=True, slots=True)
class Ids:
    """Of the span that is made next; the trace's counts if nothing is above it."""

    trace: int
    span: int


WANTED: ContextVar[Ids | None] = ContextVar("agentfield_span_ids", default=None)


class _State:
    """What this process has switched on."""

    provider: TracerProvider | None = None
    tracer: trace.Tracer = trace.get_tracer(_SCOPE)


def switch(provider: TracerProvider | None) -> None:
    """Make spans with a provider from now on; None: with the program's own, if it has one."""
    _State.provider, _State.tracer = provider, (provider or trace).get_tracer(_SCOPE)


def is_on() -> bool:
    """Return whether this process sends spans."""
    return _State.provider is not None


# --- spans ---


def facts(**named: str | float | None) -> Facts:
    """Return attributes of ours, without those that are empty."""
    return {
        f"agentfield.{name}": value
        for name, value in named.items()
        if value is not None and value != ""
    }


@contextmanager
def span(
    name: str,
    about: Facts | None = None,
    *,
    parent: str = "",
    kind: SpanKind = SpanKind.INTERNAL,
) -> Iterator[Span]:
    """Make a span of what the block does, below a traceparent or else the current span."""
    started = _State.tracer.start_span(
        name, context=_context(parent) if parent else None, kind=kind, attributes=about
    )
    with (
        trace.use_span(
            started, end_on_exit=True, record_exception=False, set_status_on_exception=False
        ),
        ExitStack() as ending,
    ):
        ending.push(partial(_note, started, kind))
        yield started


def _note(started: Span, kind: SpanKind, _: Any, error: BaseException | None, __: Any) -> None:
    """Note, when the block of a span is left, what it is left with."""
    if isinstance(error, Exception):
        reason = getattr(error, "reason", type(error).__name__)
        if kind is SpanKind.SERVER and getattr(error, "http_status", 500) < 500:
            started.set_attribute("error.type", reason)  # the caller's mistake
        else:
            fail(started, reason)


def fail(failed: Span, reason: str) -> None:
    """Note that what a span is about has failed. Reasons are of a fixed set, never texts."""
    failed.set_attribute("error.type", reason)
    failed.set_status(Status(StatusCode.ERROR, reason))


def here() -> str:
    """Return the traceparent of the current span; empty if there is none."""
    current = trace.get_current_span().get_span_context()
    return _text(current) if current.is_valid else ""


@contextmanager
def within(traceparent: str) -> Iterator[None]:
    """Make the span of a traceparent the current one, wherever it is being recorded."""
    token = contexts.attach(_context(traceparent))
    try:
        yield
    finally:
        contexts.detach(token)


# --- spans of what outlives a process ---


def standing_for(thing: str, *, parent: str, trace_of: str) -> str:
    """Return the traceparent of the span that stands for a thing, whether it has ended or not.

    ``parent`` is the traceparent that was stored with the thing. Without one the trace follows from
    ``trace_of``, so that everything that shares it is in one trace. Without spans in this process
    the parent is returned as it came.
    """
    if _State.provider is None:
        return parent
    above, span_id = _parsed(parent), _id(thing, 8)
    if above is not None:
        return _text(
            SpanContext(above.trace_id, span_id, is_remote=True, trace_flags=above.trace_flags)
        )
    trace_id = _id(trace_of, 16)
    decision = _State.provider.sampler.should_sample(None, trace_id, "").decision
    flags = trace.TraceFlags(decision.name == "RECORD_AND_SAMPLE")
    return _text(SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags))


def record(
    name: str,
    thing: str,
    about: Facts,
    *,
    parent: str,
    trace_of: str,
    began_at: int,
    ended_at: int,
    error: str = "",
) -> None:
    """Record the span that stands for a thing that has ended; times in microseconds."""
    if _State.provider is None:
        return
    token = WANTED.set(Ids(_id(trace_of, 16), _id(thing, 8)))
    try:
        made = _State.tracer.start_span(
            name, context=_context(parent), attributes=about, start_time=began_at * 1000
        )
    finally:
        WANTED.reset(token)
    if error:
        fail(made, error)
    made.end(max(began_at, ended_at) * 1000)


def _id(text: str, size: int) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:size], "big") or 1


def _context(traceparent: str) -> contexts.Context:
    above = _parsed(traceparent)
    nothing = contexts.Context()
    return nothing if above is None else trace.set_span_in_context(NonRecordingSpan(above), nothing)


def _parsed(traceparent: str) -> SpanContext | None:
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in match.groups())
    found = SpanContext(trace_id, span_id, is_remote=True, trace_flags=trace.TraceFlags(flags))
    return found if found.is_valid else None


def _text(of: SpanContext) -> str:
    return f"00-{of.trace_id:032x}-{of.span_id:016x}-{of.trace_flags & 3:02x}"
