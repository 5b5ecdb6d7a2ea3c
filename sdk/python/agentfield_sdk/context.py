"""The execution that is running now."""

from __future__ import annotations

__all__ = ["ExecutionContext", "ambient_metadata", "current", "entered", "running"]

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime

from opentelemetry.trace import Span

from agentfield.process import tracing
from agentfield.process.logs import about


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionContext:
    """What an execution may know about itself."""

    execution_id: str
    run_id: str
    function: str
    """The function's name on its node."""
    attempt: int = 1
    """Counts dispatches: above 1, an earlier attempt may have taken effect."""
    session_id: str = ""
    actor_id: str = ""
    """Who it is for, if anyone said."""
    traceparent: str = ""
    """The caller's W3C trace context, if any."""
    expires_at: datetime | None = None
    """When it times out."""


_CURRENT: ContextVar[ExecutionContext | None] = ContextVar("agentfield_execution", default=None)


def current() -> ExecutionContext | None:
    """Return the execution this code runs in, or None outside of one."""
    return _CURRENT.get()


@contextmanager
def entered(context: ExecutionContext) -> Iterator[None]:
    """Make an execution the current one for this task and the tasks and threads it starts."""
    token = _CURRENT.set(context)
    try:
        with about(execution_id=context.execution_id, session_id=context.session_id):
            yield
    finally:
        _CURRENT.reset(token)


@contextmanager
def running(name: str, context: ExecutionContext) -> Iterator[Span]:
    """Make a span of what an execution does here, where this process makes spans."""
    facts = tracing.facts(
        execution_id=context.execution_id,
        run_id=context.run_id,
        session_id=context.session_id,
        function=context.function,
        attempt=context.attempt,
    )
    with tracing.span(name, facts, parent=context.traceparent) as span:
        yield span


def ambient_metadata() -> tuple[tuple[str, str], ...]:
    """Return the metadata that makes a call a child of the current execution and span."""
    context, here = current(), tracing.here()
    if context is None:
        return (("traceparent", here),) if here else ()
    pairs = (
        ("x-parent-execution-id", context.execution_id),
        ("x-execution-id", context.execution_id),
        ("x-run-id", context.run_id),
        ("x-session-id", context.session_id),
        ("x-actor-id", context.actor_id),
        ("traceparent", here or context.traceparent),
    )
    return tuple((name, value) for name, value in pairs if value)
