"""Our values as messages, and messages as our values."""

from __future__ import annotations

__all__ = [
    "execution",
    "matrix",
    "node",
    "registration",
    "report",
    "seconds",
    "set_time",
    "status_from",
    "summary",
]

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from agentfield.contract.facts import pairs
from agentfield.executions.model import Execution, Failure, Kind, Report, Status
from agentfield.executions.ports import Summary
from agentfield.nodes.model import Function, Node, Registration
from agentfield.rpc import convert_sessions
from agentfield.sessions.declaration import Matrix
from agentfield.v1 import (
    error_reason_pb2,
    errors,
    execution_pb2,
    execution_service_pb2,
    node_service_pb2,
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
    if outcome not in {Status.RUNNING, Status.SUCCEEDED, Status.FAILED}:
        raise errors.InvalidArgument(
            "A report's status is running, succeeded or failed.", metadata={"field": "status"}
        )
    if request.attempt < 1:
        raise errors.InvalidArgument(
            "A report needs the attempt that Execute named.", metadata={"field": "attempt"}
        )
    if outcome is Status.SUCCEEDED:
        return Report(attempt=request.attempt, status=outcome, result=request.result or b"null")
    if outcome is Status.RUNNING:
        return Report(attempt=request.attempt, status=outcome)
    failure = Failure(
        reason=_reason_from(request.error_reason),
        message=request.error[:MAX_ERROR] or "The function failed and gave no reason.",
        details=request.error_details or None,
    )
    return Report(attempt=request.attempt, status=outcome, failure=failure)


def _reason_from(number: error_reason_pb2.ErrorReason.ValueType) -> str:
    known = error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_number
    if not number or number not in known:
        number = error_reason_pb2.ERROR_REASON_EXECUTION_FAILED
    return known[number].name.removeprefix(_REASON)


def registration(request: node_service_pb2.RegisterNodeRequest) -> Registration:
    """Return what a worker declares."""
    return Registration(
        node_id=request.node_id,
        instance_id=request.instance_id,
        version=request.version,
        description=request.description,
        functions=tuple(
            Function(
                name=f.name,
                kind=_KIND_BACK.get(f.kind, ""),
                description=f.description,
                input_schema=f.input_schema,
                output_schema=f.output_schema,
                tags=tuple(f.tags),
                idempotent=f.idempotent,
            )
            for f in request.functions
        ),
        sessions=tuple(map(convert_sessions.declaration_from, request.sessions)),
        matrix=matrix(),
    )


def matrix() -> Matrix:
    """Return the transports of each provider, in the contract's order."""
    found: dict[str, list[str]] = {}
    for pair in pairs():
        found.setdefault(pair.provider, []).append(pair.transport)
    return found


def node(n: Node, into: node_service_pb2.Node | None = None) -> node_service_pb2.Node:
    """Return a node as a message."""
    pb = into if into is not None else node_service_pb2.Node()
    pb.node_id, pb.version, pb.description = n.node_id, n.version, n.description
    pb.created_by = n.created_by
    pb.connected = any(w.connected for w in n.workers)
    set_time(pb.created_at, n.created_at)
    set_time(pb.updated_at, n.updated_at)
    for f in n.functions:
        pb.functions.add(
            name=f.name,
            kind=_KIND[Kind(f.kind)],
            description=f.description,
            input_schema=f.input_schema,
            output_schema=f.output_schema,
            tags=f.tags,
            idempotent=f.idempotent,
        )
    for session in n.sessions:
        convert_sessions.declaration(session, pb.sessions.add())
    for w in n.workers:
        worker = pb.workers.add(
            instance_id=w.instance_id,
            registration_id=w.worker_id,
            connected=w.connected,
            draining=w.draining,
            max_executions=w.max_executions,
            running_executions=w.running,
            max_sessions=w.max_sessions,
        )
        set_time(worker.seen_at, w.seen_at)
    return pb
