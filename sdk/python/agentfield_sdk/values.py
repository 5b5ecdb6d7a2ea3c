"""What the control plane tells, as plain values."""

from __future__ import annotations

__all__ = [
    "Execution",
    "Function",
    "LateReport",
    "Node",
    "Worker",
    "Workflow",
    "turn_of",
    "value_of",
]

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message

from agentfield.contract.fields import enum_text
from agentfield.v1 import options_pb2, session_pb2
from agentfield_sdk import session_values as sessions
from agentfield_sdk.payload import load

FINISHED = frozenset({"succeeded", "failed", "cancelled", "timeout"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LateReport:
    """What a worker reported after the execution had been cancelled or timed out."""

    status: str
    result: Any
    error: str
    received_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One run of a reasoner or skill, as it was when it was read."""

    execution_id: str
    run_id: str
    parent_execution_id: str
    """The execution that called it. Empty: it is the root of its run."""
    session_id: str
    target: str
    node_id: str
    kind: str
    """``reasoner``, ``skill`` or ``session``."""
    status: str
    """``queued``, ``running``, ``succeeded``, ``failed``, ``cancelled`` or ``timeout``."""
    input: Any
    """What it was called with. None in lists."""
    result: Any
    """What it returned. None in lists, and until it succeeded."""
    error: str
    error_reason: str
    """A reason of ``agentfield.v1.errors``, for instance ``EXECUTION_FAILED``. Empty: none."""
    error_details: Any
    attempt: int
    depth: int
    created_by: str
    actor_id: str
    instance_id: str
    created_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    duration_ms: int | None
    expires_at: datetime | None
    late_report: LateReport | None

    @property
    def finished(self) -> bool:
        """Whether it has reached a state that it never leaves."""
        return self.status in FINISHED


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """A run: a root execution and everything that was called because of it."""

    run_id: str
    root_execution_id: str
    target: str
    session_id: str
    status: str
    total_executions: int
    active_executions: int
    failed_executions: int
    max_depth: int
    created_at: datetime | None
    completed_at: datetime | None
    duration_ms: int | None
    executions: tuple[Execution, ...] = ()
    """In the order they were stored: a parent always comes before its children."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A reasoner or skill that a node offers."""

    name: str
    kind: str
    description: str
    input_schema: Any
    output_schema: Any
    tags: tuple[str, ...]
    idempotent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One process of a node."""

    instance_id: str
    registration_id: str
    connected: bool
    draining: bool
    max_executions: int
    running_executions: int
    max_sessions: int
    """How many session handlers it runs at once."""
    seen_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """An agent service."""

    node_id: str
    version: str
    description: str
    functions: tuple[Function, ...]
    sessions: tuple[sessions.SessionDeclaration, ...]
    workers: tuple[Worker, ...]
    connected: bool
    created_by: str
    created_at: datetime | None
    updated_at: datetime | None


_CLASSES: dict[str, type] = {
    f"agentfield.v1.{kind.__name__}": kind
    for kind in (
        LateReport,
        Execution,
        Workflow,
        Function,
        Worker,
        Node,
        sessions.EffectiveConfiguration,
        sessions.ProviderCall,
        sessions.Session,
        sessions.SessionDeclaration,
        sessions.SessionEvent,
        sessions.SessionLimits,
        sessions.ToolOptions,
        sessions.Transcription,
        sessions.TurnDetection,
    )
} | {
    "agentfield.v1.CreateClientTokenResponse": sessions.StartToken,
    "agentfield.v1.SayResponse": sessions.Speech,
    "agentfield.v1.StartSessionResponse": sessions.StartedSession,
    "agentfield.v1.Turn": sessions.SessionTurn,
}


def value_of(message: Message, **more: Any) -> Any:
    """Return the value of the message's name; its fields are the message's, and ``more``."""
    kind = _CLASSES[message.DESCRIPTOR.full_name]
    known: Any = message.DESCRIPTOR.fields_by_name
    names = [f.name for f in fields(kind) if f.name in known and f.name not in more]
    return kind(**{name: _field(message, known[name]) for name in names}, **more)


def turn_of(turn: session_pb2.Turn) -> sessions.SessionTurn:
    """Return a turn of the contract as a value."""
    value: sessions.SessionTurn = value_of(
        turn,
        transcript=turn.text or None,
        full_text=turn.full_text or None,
        metadata=load(turn.metadata) or {},
    )
    return value


def _field(message: Message, field: Any) -> Any:
    value = getattr(message, field.name)
    if field.is_repeated:
        return _repeated(value, field)
    if field.has_presence and not message.HasField(field.name):
        return None
    if field.message_type is not None:
        return _message(value)
    if field.enum_type is not None:
        return enum_text(field.enum_type, value) if value else ""
    if field.GetOptions().Extensions[options_pb2.json]:
        return load(value)
    return value


def _repeated(value: Any, field: Any) -> Any:
    if field.message_type is None:
        return tuple(value)
    if field.message_type.GetOptions().map_entry:
        return dict(value)
    return tuple(map(_message, value))


def _message(value: Any) -> Any:
    match value.DESCRIPTOR.full_name:
        case "google.protobuf.Timestamp":
            return value.ToDatetime(tzinfo=UTC)
        case "google.protobuf.Duration":
            return value.ToNanoseconds() / 1e9
        case "agentfield.v1.Turn":
            return turn_of(value)
        case _:
            return value_of(value)
