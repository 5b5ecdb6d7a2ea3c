"""Our values as messages, and messages as our values."""

from __future__ import annotations

__all__ = [
    "execution",
    "matrix",
    "record",
    "report",
    "seconds",
    "set_time",
    "status_from",
    "summary",
]

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from agentfield.contract.facts import pairs
from agentfield.executions.journal import Record
from agentfield.executions.model import Execution, Failure, Kind, Report, Status
from agentfield.executions.ports import Summary
from agentfield.sessions.declaration import Matrix
from agentfield.v1 import (
    error_reason_pb2,
    errors,
    execution_pb2,
    execution_service_pb2,
    journal_service_pb2,
    workflow_service_pb2,
)

MAX_ERROR = 32 * 1024
_REASON = "ERROR_REASON_"

_STATUS = {s: execution_pb2.ExecutionStatus.Value(f"EXECUTION_STATUS_{s.name}") for s in Status}
_STATUS_BACK = {number: status for status, number in _STATUS.items()}
_KIND = {
    Kind.REASONER: execution_pb2.FUNCTION_KIND_REASONER,
    Kind.SKILL: execution_pb2.FUNCTION_KIND_SKILL,
    Kind.SESSION: execution_pb2.FUNCTION_KIND_SESSION,
}
_KIND_BACK = {number: kind for kind, number in _KIND.items()}


def set_time(field: Timestamp, micros: int | None) -> None:
    """Set a timestamp field, unless there is no time."""
    if micros is not None:
        field.FromMicroseconds(micros)


def seconds(duration: Duration) -> float:
    """Return a duration in seconds; 0 for one that is not given."""
    return duration.seconds + duration.nanos / 1e9


def status(value: Status) -> execution_pb2.ExecutionStatus.ValueType:
    """Return the enum value of a status."""
    return _STATUS[value]


def kind(value: Kind) -> execution_pb2.FunctionKind.ValueType:
    """Return the enum value of a kind."""
    return _KIND[value]


def kind_from(value: execution_pb2.FunctionKind.ValueType) -> str:
    """Return the kind of an enum value; empty for unspecified."""
    return _KIND_BACK.get(value, "")


def status_from(value: execution_pb2.ExecutionStatus.ValueType) -> Status | None:
    """Return the status of an enum value; None for unspecified. Raises InvalidArgument."""
    if not value:
        return None
    if value not in _STATUS_BACK:
        raise errors.InvalidArgument("The status is not known.", metadata={"field": "status"})
    return _STATUS_BACK[value]


def execution(e: Execution, into: execution_pb2.Execution | None = None) -> execution_pb2.Execution:
    """Return an execution as a message."""
    pb = into if into is not None else execution_pb2.Execution()
    pb.execution_id = e.execution_id
    pb.run_id = pb.workflow_id = e.run_id
    pb.parent_execution_id = e.parent_execution_id or ""
    pb.session_id = e.session_id or ""
    pb.target, pb.node_id = e.target, e.node_id
    pb.kind, pb.status = _KIND[e.kind], _STATUS[e.status]
    pb.input, pb.result = e.input or b"", e.result or b""
    if e.failure:
        pb.error = e.failure.message
        pb.error_reason = reason(e.failure.reason)
        pb.error_details = e.failure.details or b""
        if e.failure.status_code:
            pb.error_status_code = e.failure.status_code
    pb.local, pb.usage = e.local, e.usage or b""
    pb.attempt, pb.depth = e.attempt, e.depth
    pb.created_by, pb.actor_id, pb.instance_id = e.created_by, e.actor_id, e.instance_id
    set_time(pb.created_at, e.created_at)
    set_time(pb.started_at, e.started_at)
    set_time(pb.completed_at, e.completed_at)
    set_time(pb.expires_at, e.expires_at)
    if e.duration_ms is not None:
        pb.duration_ms = e.duration_ms
    if e.late:
        pb.late_report.status = _STATUS[e.late.status]
        pb.late_report.result = e.late.result or b""
        pb.late_report.error = e.late.error
        set_time(pb.late_report.received_at, e.late.received_at)
    return pb


def reason(name: str) -> error_reason_pb2.ErrorReason.ValueType:
    """Return the enum value of a reason."""
    return error_reason_pb2.ErrorReason.Value(f"{_REASON}{name}")


def summary(s: Summary) -> workflow_service_pb2.Workflow:
    """Return a run's summary as a message."""
    root = s.root
    pb = workflow_service_pb2.Workflow(
        run_id=root.run_id,
        workflow_id=root.run_id,
        root_execution_id=root.execution_id,
        target=root.target,
        session_id=root.session_id or "",
        actor_id=root.actor_id,
        status=execution_pb2.EXECUTION_STATUS_RUNNING if s.active else _STATUS[root.status],
        total_executions=s.total,
        active_executions=s.active,
        failed_executions=s.failed,
        max_depth=s.max_depth,
    )
    set_time(pb.created_at, root.created_at)
    set_time(pb.completed_at, s.completed_at)
    if s.completed_at is not None:
        pb.duration_ms = (s.completed_at - root.created_at) // 1000
    return pb


def report(request: execution_service_pb2.ReportExecutionRequest) -> Report:
    """Return what a worker reports. Raises InvalidArgument."""
    outcome = status_from(request.status)
    if outcome not in {Status.RUNNING, Status.SUCCEEDED, Status.FAILED, Status.CANCELLED}:
        raise errors.InvalidArgument(
            "A report's status is running, succeeded, failed or cancelled.",
            metadata={"field": "status"},
        )
    if request.attempt < 0:
        raise errors.InvalidArgument(
            "A report's attempt is the one that Execute named.", metadata={"field": "attempt"}
        )
    if outcome is Status.RUNNING:
        return Report(attempt=request.attempt, status=outcome)
    usage = request.usage or None
    if outcome is Status.SUCCEEDED:
        result = request.result or b"null"
        return Report(attempt=request.attempt, status=outcome, result=result, usage=usage)
    return Report(
        attempt=request.attempt,
        status=outcome,
        failure=_failure(outcome, request),
        result=request.result or None,
        usage=usage,
    )


def _failure(outcome: Status, request: execution_service_pb2.ReportExecutionRequest) -> Failure:
    code = request.error_status_code
    if code and not 400 <= code <= 599:
        raise errors.InvalidArgument(
            f"An error_status_code is between 400 and 599, not {code}.",
            metadata={"field": "error_status_code"},
        )
    cancelled = outcome is Status.CANCELLED
    return Failure(
        reason=errors.ExecutionCancelled.reason
        if cancelled
        else _reason_from(request.error_reason),
        message=request.error[:MAX_ERROR]
        or ("The agent stopped it." if cancelled else "The function failed and gave no reason."),
        details=request.error_details or None,
        status_code=code,
    )


def record(request: journal_service_pb2.RecordExecutionRequest) -> Record:
    """Return what an agent tells of a call of its own. Raises InvalidArgument."""
    told = execution_service_pb2.ReportExecutionRequest(
        status=request.status, result=request.result, error=request.error
    )
    return Record(
        execution_id=request.execution_id,
        node_id=request.node_id,
        function=request.function,
        parent_execution_id=request.parent_execution_id,
        report=report(told),
        input=request.input,
    )


def _reason_from(number: error_reason_pb2.ErrorReason.ValueType) -> str:
    known = error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_number
    if not number or number not in known:
        number = error_reason_pb2.ERROR_REASON_EXECUTION_FAILED
    return known[number].name.removeprefix(_REASON)


def matrix() -> Matrix:
    """Return the transports of each provider, in the contract's order."""
    found: dict[str, list[str]] = {}
    for pair in pairs():
        found.setdefault(pair.provider, []).append(pair.transport)
    return found
