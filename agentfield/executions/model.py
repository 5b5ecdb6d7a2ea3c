"""An execution, and the transitions of its life.

Times are microseconds since the epoch, by the store's clock.
"""

from __future__ import annotations

__all__ = [
    "ACTIVE",
    "Execution",
    "Failure",
    "Kind",
    "LateReport",
    "Report",
    "Status",
    "accepted",
    "answered_later",
    "cancelled",
    "claimed",
    "expired",
    "lost",
    "reported",
    "returned",
    "unreached",
]

from dataclasses import dataclass, replace
from enum import StrEnum

from agentfield.v1 import errors


class Status(StrEnum):
    """Where an execution is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"


ACTIVE = frozenset({Status.QUEUED, Status.RUNNING})


class Kind(StrEnum):
    """What kind of function it runs; ``session`` is the root of a session's workflow."""

    REASONER = "reasoner"
    SKILL = "skill"
    SESSION = "session"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an execution did not succeed."""

    reason: str
    message: str
    details: bytes | None = None
    """A JSON object."""
    status_code: int = 0
    """The HTTP status with which an agent failed it; 0: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LateReport:
    """What a worker reported when the outcome was decided already."""

    status: Status
    result: bytes | None
    error: str
    received_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a worker says of an execution."""

    attempt: int
    """0: the current one, from a worker that is not told."""
    status: Status
    result: bytes | None = None
    failure: Failure | None = None
    usage: bytes | None = None
    """A JSON object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One run of a reasoner or skill."""

    execution_id: str
    run_id: str
    node_id: str
    function: str
    kind: Kind
    created_at: int
    expires_at: int
    seq: int = 0
    """The order in which executions were stored."""
    parent_execution_id: str | None = None
    session_id: str | None = None
    status: Status = Status.QUEUED
    attempt: int = 0
    depth: int = 0
    idempotent: bool = False
    local: bool = False
    """A call inside its agent's process: recorded, never dispatched."""
    created_by: str = ""
    run_owner: str = ""
    """Who started the root of the run."""
    actor_id: str = ""
    traceparent: str = ""
    worker_id: str | None = None
    """The worker it is claimed for. While queued: it may not have been sent yet."""
    instance_id: str = ""
    sender: str = ""
    """The process of ours that calls its worker over HTTP and waits for the answer."""
    claimed_at: int | None = None
    started_at: int | None = None
    completed_at: int | None = None
    failure: Failure | None = None
    late: LateReport | None = None
    input: bytes | None = None
    """None where payloads were not asked for."""
    result: bytes | None = None
    usage: bytes | None = None

    @property
    def target(self) -> str:
        return f"{self.node_id}.{self.function}"

    @property
    def is_active(self) -> bool:
        return self.status in ACTIVE

    @property
    def owners(self) -> tuple[str, str]:
        return (self.created_by, self.run_owner)

    @property
    def duration_ms(self) -> int | None:
        if self.completed_at is None:
            return None
        return (self.completed_at - (self.started_at or self.created_at)) // 1000


def claimed(
    execution: Execution, *, worker_id: str, instance_id: str, now: int, sender: str = ""
) -> Execution:
    """Return it reserved for a worker, as a further attempt."""
    return replace(
        execution,
        sender=sender,
        worker_id=worker_id,
        instance_id=instance_id,
        attempt=execution.attempt + 1,
        claimed_at=now,
    )


def accepted(execution: Execution, *, attempt: int, now: int) -> Execution:
    """Return it running; unchanged if that attempt is not what it waits for."""
    if execution.status is not Status.QUEUED or not execution.worker_id:
        return execution
    if execution.attempt != attempt:
        return execution
    return replace(execution, status=Status.RUNNING, started_at=now)


def returned(execution: Execution) -> Execution:
    """Return it queued for any worker: it never reached the one it was claimed for."""
    if not execution.is_active:
        return execution
    return replace(
        execution,
        status=Status.QUEUED,
        worker_id=None,
        instance_id="",
        sender="",
        claimed_at=None,
        started_at=None,
    )


def answered_later(execution: Execution) -> Execution:
    """Return it no longer waited for on a connection: its worker reports when it has ended."""
    return replace(execution, sender="") if execution.is_active and execution.sender else execution


def unreached(execution: Execution, *, why: str, now: int) -> Execution:
    """Return it failed because nothing could be sent to its worker."""
    if not execution.is_active or execution.started_at is not None:
        return execution
    failure = Failure(reason=errors.NodeUnavailable.reason, message=why)
    return _ended(execution, Status.FAILED, now, failure)


def lost(execution: Execution, *, now: int) -> Execution:
    """Return what becomes of it when its worker is gone."""
    if not execution.is_active:
        return execution
    # What is called over HTTP is noted as started before anything is sent.
    unsent = execution.sender and execution.started_at is None
    if execution.idempotent or unsent:
        return returned(execution)
    return _ended(
        execution,
        Status.FAILED,
        now,
        Failure(
            reason=errors.AgentLost.reason,
            message=f"The worker '{execution.instance_id}' that ran {execution.target} is gone; "
            "the call may or may not have taken effect.",
        ),
    )


def cancelled(execution: Execution, *, reason: str, now: int) -> Execution:
    """Return it cancelled; unchanged if it has ended."""
    if not execution.is_active:
        return execution
    message = f"{execution.target} was cancelled" + (f": {reason}" if reason else ".")
    return _ended(
        execution,
        Status.CANCELLED,
        now,
        Failure(reason=errors.ExecutionCancelled.reason, message=message),
    )


def expired(execution: Execution, *, now: int) -> Execution:
    """Return it timed out if its time is up; else unchanged."""
    if not execution.is_active or execution.expires_at > now:
        return execution
    seconds = (execution.expires_at - execution.created_at) / 1e6
    where = (
        f"no worker of node '{execution.node_id}' took it"
        if execution.worker_id is None
        else f"worker '{execution.instance_id}' had it"
    )
    return _ended(
        execution,
        Status.TIMEOUT,
        now,
        Failure(
            reason=errors.ExecutionTimedOut.reason,
            message=f"{execution.target} did not finish within {seconds:g} s; {where}.",
        ),
    )


def reported(execution: Execution, report: Report, *, now: int) -> Execution:
    """Return it after its worker's report.

    A report on what was cancelled or timed out is kept as a late report and decides nothing; the
    same report again changes nothing. Raises AttemptSuperseded for another attempt's report.
    """
    if (report.attempt or execution.attempt) != execution.attempt or execution.attempt == 0:
        raise errors.AttemptSuperseded(
            f"Attempt {report.attempt} of {execution.execution_id} is not the current one, "
            f"which is {execution.attempt}; its report is not taken.",
            metadata={"execution_id": execution.execution_id},
        )
    if report.status is Status.RUNNING:
        return accepted(execution, attempt=report.attempt, now=now)
    if not execution.is_active:
        return _kept_late(execution, report, now=now)
    if execution.worker_id is None:
        raise errors.AttemptSuperseded(
            f"Attempt {report.attempt} of {execution.execution_id} was given up; it waits for "
            "another worker, and this report is not taken.",
            metadata={"execution_id": execution.execution_id},
        )
    started = replace(execution, started_at=execution.started_at or execution.claimed_at)
    ended = _ended(started, report.status, now, report.failure)
    return replace(ended, result=report.result, usage=report.usage)


def _kept_late(execution: Execution, report: Report, *, now: int) -> Execution:
    # A worker that was given up may still come back with the outcome; that decides nothing either.
    by_worker = execution.status in {Status.SUCCEEDED, Status.FAILED} and not (
        execution.failure and execution.failure.reason == errors.AgentLost.reason
    )
    if by_worker or execution.late is not None or report.status is Status.CANCELLED:
        return execution
    late = LateReport(
        status=report.status,
        result=report.result,
        error=report.failure.message if report.failure else "",
        received_at=now,
    )
    return replace(execution, late=late)


def _ended(execution: Execution, status: Status, now: int, failure: Failure | None) -> Execution:
    return replace(execution, status=status, completed_at=now, failure=failure)
