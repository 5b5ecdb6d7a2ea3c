"""What a caller asks for, checked, and the execution that follows from it."""

from __future__ import annotations

__all__ = [
    "ID",
    "Claims",
    "Declared",
    "Submission",
    "begin",
    "checked_input",
    "checked_request_id",
    "checked_timeout",
    "fingerprint",
    "split_target",
    "usable_parent",
]

import hashlib
import re
from dataclasses import dataclass, fields

from agentfield.config import Limits
from agentfield.contract.jsonslice import MalformedJson, check_json
from agentfield.executions.model import Execution, Kind, Status
from agentfield.executions.observing import inside
from agentfield.identity import Caller
from agentfield.v1 import errors

ID = re.compile(r"[A-Za-z0-9_.:@/+=-]{1,128}")
MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What the request's metadata says of where it belongs. Checked, never believed."""

    parent_execution_id: str = ""
    execution_id: str = ""
    """The execution the caller is in. It is told in logs; the parent alone makes the edge."""
    run_id: str = ""
    session_id: str = ""
    actor_id: str = ""
    traceparent: str = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            name, value = field.name, getattr(self, field.name)
            if value and not ID.fullmatch(value):
                raise errors.InvalidArgument(
                    f"The metadata for {name} must be 1 to 128 characters of "
                    "A-Z a-z 0-9 _ . : @ / + = and -.",
                    metadata={"field": name},
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A request to execute, well formed."""

    rpc: str
    node_id: str
    function: str
    input: bytes
    timeout: float
    """Seconds."""
    claims: Claims
    caller: Caller
    request_id: str = ""
    execution_id: str
    run_id: str
    """For a run of its own, if the claims name none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What is known of the function that is to run."""

    kind: Kind
    idempotent: bool


def split_target(target: str) -> tuple[str, str]:
    """Return node and function of ``node.function``, split at the first dot."""
    node_id, dot, function = target.strip().partition(".")
    if not (dot and node_id and function):
        raise errors.InvalidArgument(
            f"invalid target: '{target}' must be <node>.<function>, for instance 'billing.lookup'.",
            metadata={"field": "target"},
        )
    return node_id, function


def checked_input(data: bytes, limits: Limits) -> bytes:
    """Return the input if it is a JSON object of an acceptable size; ``{}`` for nothing or null."""
    if len(data) > limits.max_payload_bytes:
        raise errors.PayloadTooLarge(
            f"The input has {len(data)} bytes; this server accepts {limits.max_payload_bytes}.",
            metadata={"limit": str(limits.max_payload_bytes)},
        )
    if data in (b"", b"null"):
        return b"{}"
    try:
        check_json(data, expect_object=True)
    except MalformedJson as error:
        raise errors.InvalidArgument(
            f"The input must be a JSON object: {error}.", metadata={"field": "input"}
        ) from None
    return data


def checked_timeout(seconds: float, *, default: float, limits: Limits) -> float:
    """Return the timeout in seconds, or the default for 0."""
    if seconds == 0:
        return default
    if not 0 < seconds <= limits.max_timeout:
        raise errors.InvalidArgument(
            f"A timeout of {seconds:g} s is not between 0 and {limits.max_timeout:g} s.",
            metadata={"field": "timeout"},
        )
    return seconds


def checked_request_id(request_id: str) -> str:
    """Return the request id if it is short enough."""
    if len(request_id) > 128:
        raise errors.InvalidArgument(
            f"A request_id has at most 128 characters; this one has {len(request_id)}.",
            metadata={"field": "request_id"},
        )
    return request_id


def fingerprint(submission: Submission) -> bytes:
    """Return what two submissions share exactly when they ask for the same thing."""
    claims = submission.claims
    digest = hashlib.sha256(submission.input)
    for part in (
        submission.node_id,
        submission.function,
        f"{submission.timeout}",
        claims.parent_execution_id,
        claims.run_id,
        claims.session_id,
        claims.actor_id,
    ):
        digest.update(b"\0" + part.encode())
    return digest.digest()


def begin(
    submission: Submission,
    declared: Declared,
    *,
    parent: Execution | None,
    run_owner: str | None,
    session_owner: str | None,
    limits: Limits,
    now: int,
) -> Execution:
    """Return the execution a submission begins.

    ``parent`` is the execution the claims name; ``run_owner`` and ``session_owner`` own the run and
    the session they name, None for one that does not exist. Without a parent, a claimed session
    counts only if the caller owns it.

    Raises ExecutionNotFound for a parent the caller may not see, ParentEnded, CallTooDeep.
    """
    claims, caller = submission.claims, submission.caller
    if claims.parent_execution_id:
        parent = usable_parent(parent, claims.parent_execution_id, caller, limits)
    elif run_owner is not None and not (caller.is_admin or caller.name == run_owner):
        raise errors.WorkflowNotFound(
            f"There is no run '{claims.run_id}'.", metadata={"run_id": claims.run_id}
        )
    fresh_owner = run_owner if run_owner is not None else caller.name
    owns_session = session_owner is not None and (caller.is_admin or session_owner == caller.name)
    return Execution(
        execution_id=submission.execution_id,
        run_id=parent.run_id if parent else claims.run_id or submission.run_id,
        parent_execution_id=parent.execution_id if parent else None,
        session_id=parent.session_id if parent else (claims.session_id if owns_session else None),
        node_id=submission.node_id,
        function=submission.function,
        kind=declared.kind,
        idempotent=declared.idempotent,
        depth=parent.depth + 1 if parent else 0,
        created_by=caller.name,
        run_owner=parent.run_owner if parent else fresh_owner,
        actor_id=claims.actor_id or (parent.actor_id if parent else ""),
        traceparent=claims.traceparent or (inside(parent) if parent else ""),
        created_at=now,
        expires_at=now + round(submission.timeout * MICROSECONDS),
        input=submission.input,
    )


def usable_parent(
    parent: Execution | None, parent_id: str, caller: Caller, limits: Limits
) -> Execution:
    """Return the parent if the caller may see it and it may have children.

    Raises ExecutionNotFound, ParentEnded, CallTooDeep.
    """
    if parent is None or not caller.may_see(owners=parent.owners, node_id=parent.node_id):
        raise errors.ExecutionNotFound(
            f"There is no execution '{parent_id}', named as the parent.",
            metadata={"execution_id": parent_id},
        )
    if parent.status in {Status.CANCELLED, Status.TIMEOUT}:
        raise errors.ParentEnded(
            f"The parent execution '{parent_id}' has ended ({parent.status}); "
            "it starts nothing more.",
            metadata={"execution_id": parent_id},
        )
    if parent.depth >= limits.max_depth:
        raise errors.CallTooDeep(
            f"Executions nest at most {limits.max_depth} deep; '{parent_id}' is at that depth.",
            metadata={"execution_id": parent_id},
        )
    return parent
