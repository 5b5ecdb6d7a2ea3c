"""How a session begins: what was asked for, held against what is declared."""

from __future__ import annotations

__all__ = [
    "ServedPairs",
    "SessionCeilings",
    "StartRequest",
    "begin",
    "check_served",
    "declared",
    "fingerprint",
    "split_target",
]

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from agentfield.contract.jsonslice import MalformedJson, check_json
from agentfield.executions.model import Execution, Kind, Status
from agentfield.executions.submission import MICROSECONDS, Claims
from agentfield.identity import Caller
from agentfield.sessions.declaration import (
    MAX_METADATA,
    MAX_NAME,
    Declaration,
    Matrix,
    checked_pair,
)
from agentfield.sessions.model import Event, HandlerState, Session
from agentfield.sessions.ports import Begun, Found
from agentfield.sessions.start_tokens import check_wish
from agentfield.sessions.tools import resolve_tools
from agentfield.v1 import errors

ServedPairs = Collection[tuple[str, str]]
SPARE_SECONDS = 3600.0
"""How much longer than its session a root execution may last, before it times out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCeilings:
    """How many sessions there may be at once."""

    per_target: int
    per_caller: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """What a caller asks for."""

    node_id: str
    name: str
    provider: str
    transport: str
    model: str
    voice: str
    metadata: bytes
    claims: Claims
    caller: Caller
    request_id: str
    session_id: str
    run_id: str
    root_execution_id: str

    @property
    def target(self) -> str:
        return f"{self.node_id}.{self.name}"

    @property
    def actor_id(self) -> str:
        """For whom it is: with a start token, whomever the one who made it acted for."""
        return self.caller.start.actor_id if self.caller.start else self.claims.actor_id


def split_target(target: str) -> tuple[str, str]:
    """Return node and session of ``node.session``, split at the first dot."""
    node_id, dot, name = target.strip().partition(".")
    if not (dot and node_id.strip() and name.strip()):
        raise errors.InvalidArgument(
            f"session target must be <node>.<session>, for instance 'support.voice', "
            f"not '{target[:256]}'.",
            metadata={"field": "target"},
        )
    return node_id.strip(), name.strip()


def fingerprint(request: StartRequest) -> bytes:
    """Return what two requests share exactly when they ask for the same thing."""
    digest = hashlib.sha256(request.metadata)
    for part in (
        request.target,
        request.provider,
        request.transport,
        request.model,
        request.voice,
        request.actor_id,
    ):
        digest.update(b"\0" + part.encode())
    return digest.digest()


def checked_metadata(data: bytes) -> bytes:
    """Return the metadata if it is a JSON object of an acceptable size; ``{}`` for nothing or null."""
    if data == b"null":
        return b"{}"
    if len(data) > MAX_METADATA:
        raise errors.PayloadTooLarge(
            f"The metadata has {len(data)} bytes; at most {MAX_METADATA} are kept.",
            metadata={"limit": str(MAX_METADATA)},
        )
    try:
        if data:
            check_json(data, expect_object=True)
    except MalformedJson as error:
        raise errors.InvalidArgument(
            f"The metadata must be a JSON object: {error}.", metadata={"field": "metadata"}
        ) from None
    return data or b"{}"


def begin(
    request: StartRequest,
    found: Found,
    *,
    matrix: Matrix,
    served: ServedPairs,
    ceilings: SessionCeilings,
) -> Begun:
    """Return the session that a request begins. Raises what forbids it; nothing is created then."""
    if request.caller.start is not None:
        chosen = {"model": request.model, "voice": request.voice}
        chosen["metadata"] = "" if request.metadata == b"{}" else "given"
        check_wish(request.caller.start, request.target, chosen)
    for name in ("model", "voice"):
        if len(getattr(request, name)) > MAX_NAME:
            raise errors.InvalidArgument(
                f"The name of a {name} has at most {MAX_NAME} characters.",
                metadata={"field": name},
            )
    declaration = declared(
        request.node_id, request.name, found.declarations if found.node_exists else None
    )
    _check_asked_pair(request, declaration, matrix)
    check_served(request.target, declaration, served)
    _check_room(request, declaration, found, ceilings)
    session = _session(request, declaration, found)
    event = _started(session, request.caller)
    return Begun(session=session, root=_root(request, session), events=(event,))


def declared(
    node_id: str, name: str, declarations: Mapping[str, Declaration] | None
) -> Declaration:
    """Return what a node declares under a name; it declares nothing at all if it does not exist.

    Raises NodeNotFound and TargetNotFound.
    """
    if declarations is None:
        raise errors.NodeNotFound(
            f"agent not found: no node '{node_id}' has registered.",
            metadata={"node_id": node_id},
        )
    if not declarations:
        raise errors.TargetNotFound(
            f"agent has no registered sessions: node '{node_id}' declares none.",
            metadata={"node_id": node_id},
        )
    if name not in declarations:
        names = ", ".join(sorted(declarations)[:20])
        raise errors.TargetNotFound(
            f"session not registered: node '{node_id}' declares no session "
            f"'{name}'; it declares: {names}.",
            metadata={"node_id": node_id, "session": name},
        )
    return declarations[name]


def check_served(target: str, declaration: Declaration, served: ServedPairs) -> None:
    """Raise TransportNotServed unless this server can hold such a session."""
    if (declaration.provider, declaration.transport) not in served:
        raise errors.TransportNotServed(
            f"Session {target} uses transport '{declaration.transport}' of provider "
            f"'{declaration.provider}', which this server does not serve yet.",
            metadata={"provider": declaration.provider, "transport": declaration.transport},
        )


def _check_asked_pair(request: StartRequest, declaration: Declaration, matrix: Matrix) -> None:
    asked = (
        request.provider or declaration.provider,
        request.transport or declaration.transport,
    )
    pair = checked_pair(*asked, matrix)
    if pair != (declaration.provider, declaration.transport):
        raise errors.InvalidArgument(
            f"session {request.target} is registered for provider={declaration.provider} "
            f"transport={declaration.transport}; requested provider={pair[0]} transport={pair[1]}",
            metadata={"field": "provider" if pair[0] != declaration.provider else "transport"},
        )


def _check_room(
    request: StartRequest, declaration: Declaration, found: Found, ceilings: SessionCeilings
) -> None:
    declared = declaration.limits.max_sessions or ceilings.per_target
    for what, count, most in (
        (f"target {request.target}", found.sessions_of_target, min(declared, ceilings.per_target)),
        ("this caller", found.sessions_of_caller, ceilings.per_caller),
    ):
        if count >= most:
            raise errors.SessionLimitReached(
                f"There are {count} sessions of {what} at once, and {most} are allowed; "
                "try again when one has ended.",
                metadata={"limit": str(most)},
                retry_after=1,
            )


def _session(request: StartRequest, declaration: Declaration, found: Found) -> Session:
    chosen = replace(
        declaration,
        model=request.model or declaration.model,
        voice=request.voice or declaration.voice,
    )
    has_handler = declaration.has_handler
    return Session(
        session_id=request.session_id,
        node_id=request.node_id,
        declaration=chosen,
        run_id=request.run_id,
        root_execution_id=request.root_execution_id,
        created_at=found.now,
        connect_by=found.now + round(declaration.limits.connect_timeout * MICROSECONDS),
        metadata=request.metadata,
        handler=HandlerState.RUNNING if has_handler else HandlerState.NONE,
        attempt=1 if has_handler else 0,
        owner_epoch=1,
        instructions=declaration.instructions,
        tools=resolve_tools(request.node_id, declaration.tools, found.functions),
        created_by=request.caller.name,
        actor_id=request.actor_id,
        traceparent=request.claims.traceparent,
    )


def _root(request: StartRequest, session: Session) -> Execution:
    limits = session.declaration.limits
    seconds = limits.connect_timeout + limits.max_duration + limits.handler_grace + SPARE_SECONDS
    return Execution(
        execution_id=session.root_execution_id,
        run_id=session.run_id,
        session_id=session.session_id,
        node_id=session.node_id,
        function=request.name,
        kind=Kind.SESSION,
        status=Status.RUNNING,
        created_by=session.created_by,
        run_owner=session.created_by,
        actor_id=session.actor_id,
        traceparent=session.traceparent,
        created_at=session.created_at,
        started_at=session.created_at,
        expires_at=session.created_at + round(seconds * MICROSECONDS),
        input=session.metadata,
    )


def _started(session: Session, caller: Caller) -> Event:
    d = session.declaration
    by_token = {"start_token_id": caller.start.token_id} if caller.start else {}
    return Event(
        type="session.started",
        data={
            "target": session.target,
            "provider": d.provider,
            "transport": d.transport,
            "model": d.model,
            "voice": d.voice,
            "has_handler": d.has_handler,
            **by_token,
        },
    )
