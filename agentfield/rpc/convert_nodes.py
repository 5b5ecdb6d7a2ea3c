"""Nodes as messages, and what workers declare and say as values."""

from __future__ import annotations

__all__ = ["node", "registration", "sign"]

from agentfield.executions.model import Kind
from agentfield.nodes.model import STATUSES, Function, Node, Registration
from agentfield.nodes.ports import Sign
from agentfield.rpc import convert, convert_sessions
from agentfield.v1 import errors, node_service_pb2

_WORKER_STATUS = {
    status: node_service_pb2.WorkerStatus.Value(f"WORKER_STATUS_{status.upper()}")
    for status in STATUSES
}
_WORKER_STATUS_BACK = {number: status for status, number in _WORKER_STATUS.items()} | {0: ""}


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
                kind=convert.kind_from(f.kind),
                description=f.description,
                input_schema=f.input_schema,
                output_schema=f.output_schema,
                tags=tuple(f.tags),
                idempotent=f.idempotent,
            )
            for f in request.functions
        ),
        sessions=tuple(map(convert_sessions.declaration_from, request.sessions)),
        matrix=convert.matrix(),
        base_url=request.base_url,
        other_urls=tuple(request.other_urls),
        max_executions=request.max_executions,
        status=worker_status_from(request.status),
    )


def sign(request: node_service_pb2.HeartbeatRequest) -> Sign:
    """Return a sign of life."""
    return Sign(
        worker_id=request.registration_id,
        instance_id=request.instance_id,
        status=worker_status_from(request.status),
    )


def worker_status_from(value: node_service_pb2.WorkerStatus.ValueType) -> str:
    """Return what a worker says of itself; empty for nothing. Raises InvalidArgument."""
    if value not in _WORKER_STATUS_BACK:
        raise errors.InvalidArgument("The status is not known.", metadata={"field": "status"})
    return _WORKER_STATUS_BACK[value]


def node(n: Node, into: node_service_pb2.Node | None = None) -> node_service_pb2.Node:
    """Return a node as a message."""
    pb = into if into is not None else node_service_pb2.Node()
    pb.node_id, pb.version, pb.description = n.node_id, n.version, n.description
    pb.created_by = n.created_by
    pb.connected = any(w.connected for w in n.workers)
    pb.health = (
        node_service_pb2.NODE_HEALTH_ACTIVE
        if n.is_active
        else node_service_pb2.NODE_HEALTH_INACTIVE
    )
    convert.set_time(pb.created_at, n.created_at)
    convert.set_time(pb.updated_at, n.updated_at)
    for f in n.functions:
        pb.functions.add(
            name=f.name,
            kind=convert.kind(Kind(f.kind)),
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
            base_url=w.base_url,
            status=_WORKER_STATUS.get(w.status),
        )
        convert.set_time(worker.seen_at, w.seen_at)
    return pb
