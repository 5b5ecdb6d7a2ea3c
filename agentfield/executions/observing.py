"""What is told of executions to those who operate them: counts, times and spans."""

from __future__ import annotations

__all__ = ["ended", "inside"]

from agentfield.executions.model import Execution, Kind
from agentfield.process import tracing
from agentfield.telemetry import EXECUTION_SECONDS, EXECUTIONS, QUEUE_SECONDS


def inside(execution: Execution) -> str:
    """Return the traceparent of what the execution does, wherever that is done."""
    return tracing.standing_for(
        execution.execution_id, parent=execution.traceparent, trace_of=execution.run_id
    )


def ended(execution: Execution) -> None:
    """Tell of an execution that has just ended. A session's own is told of as the session."""
    EXECUTIONS.labels(execution.status).inc()
    if execution.kind is Kind.SESSION or execution.completed_at is None:
        return
    began_at = execution.started_at or execution.claimed_at
    queued = (began_at or execution.completed_at) - execution.created_at
    QUEUE_SECONDS.observe(max(queued, 0) / 1e6)
    if began_at:
        EXECUTION_SECONDS.observe(max(execution.completed_at - began_at, 0) / 1e6)
    tracing.record(
        "execution",
        execution.execution_id,
        tracing.facts(
            execution_id=execution.execution_id,
            run_id=execution.run_id,
            session_id=execution.session_id,
            target=execution.target,
            kind=execution.kind,
            attempt=execution.attempt,
            status=execution.status,
            queued_ms=queued // 1000,
        ),
        parent=execution.traceparent,
        trace_of=execution.run_id,
        began_at=execution.created_at,
        ended_at=execution.completed_at,
        error=execution.failure.reason if execution.failure else "",
    )
