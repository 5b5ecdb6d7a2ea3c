"""A session, the provider's calls of it, and the transitions of both.

Times are microseconds since the epoch, by the store's clock.
"""

from __future__ import annotations

__all__ = [
    "CallState",
    "EndReason",
    "Event",
    "HandlerState",
    "ProviderCall",
    "Session",
    "State",
    "Tool",
    "ToolCall",
    "check_attempt",
    "connecting",
    "ended",
    "failed_by",
    "live",
    "relinking",
    "unconnected",
]

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from agentfield.sessions.declaration import Declaration
from agentfield.v1 import errors


class State(StrEnum):
    """Where a session is in its life."""

    PENDING = "pending"
    CONNECTING = "connecting"
    LIVE = "live"
    ENDED = "ended"


class EndReason(StrEnum):
    """Why a session ended."""

    CLIENT_HANGUP = "client_hangup"
    CLIENT_LOST = "client_lost"
    CLIENT_TAMPERING = "client_tampering"
    AGENT_ENDED = "agent_ended"
    API_ENDED = "api_ended"
    CONNECT_TIMEOUT = "connect_timeout"
    IDLE_TIMEOUT = "idle_timeout"
    MAX_DURATION = "max_duration"
    PROVIDER_CLOSED = "provider_closed"
    PROVIDER_ERROR = "provider_error"
    HANDLER_FAILED = "handler_failed"
    AGENT_LOST = "agent_lost"
    INTERNAL_ERROR = "internal_error"


_FAILURES: Mapping[EndReason, str] = {
    EndReason.PROVIDER_ERROR: errors.ProviderFailed.reason,
    EndReason.HANDLER_FAILED: errors.ExecutionFailed.reason,
    EndReason.AGENT_LOST: errors.AgentLost.reason,
    EndReason.INTERNAL_ERROR: errors.Internal.reason,
}


class HandlerState(StrEnum):
    """Where a session's handler is."""

    NONE = "none"
    RUNNING = "running"
    RETURNED = "returned"
    FAILED = "failed"


class CallState(StrEnum):
    """Where a provider call is in its life."""

    CREATING = "creating"
    OPEN = "open"
    ENDING = "ending"
    ENDED = "ended"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool of a session, as it was registered when the session took it up."""

    entry: str
    """As ``tools`` lists it."""
    name: str
    """The name the model knows."""
    target: str
    """``node.function``."""
    description: str = ""
    input_schema: bytes = b"{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One conversation."""

    session_id: str
    node_id: str
    declaration: Declaration
    """As it was at the start, with the model and voice chosen then."""
    run_id: str
    root_execution_id: str
    created_at: int
    connect_by: int
    seq: int = 0
    """The order in which sessions were stored."""
    state: State = State.PENDING
    end_reason: EndReason | None = None
    end_detail: str = ""
    metadata: bytes = b"{}"
    handler: HandlerState = HandlerState.NONE
    attempt: int = 0
    generation: int = 0
    owner: str = ""
    """The replica that runs it, or did last."""
    owner_epoch: int = 0
    """How often it has been taken up; 0: not yet."""
    last_sequence: int = 0
    instructions: str = ""
    """What is in force; the handler may have changed it."""
    tools: tuple[Tool, ...] = ()
    """What is in force; the handler may have changed it."""
    usage: Mapping[str, Any] = field(default_factory=dict)
    created_by: str = ""
    actor_id: str = ""
    traceparent: str = ""
    live_at: int | None = None
    ended_at: int | None = None
    deleted_at: int | None = None

    @property
    def target(self) -> str:
        return f"{self.node_id}.{self.declaration.name}"

    @property
    def is_over(self) -> bool:
        return self.state is State.ENDED

    @property
    def tool_targets(self) -> dict[str, str]:
        """Return the targets of the tools by the names the model knows."""
        return {tool.name: tool.target for tool in self.tools}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One entry of a session's log."""

    type: str
    data: Mapping[str, Any]
    sequence: int = 0
    """0: not in the log."""
    at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCall:
    """A contract with a model provider; it costs money while it exists."""

    provider_call_id: str
    session_id: str
    generation: int
    provider: str
    transport: str
    state: CallState
    created_at: int
    external_id: str = ""
    """The provider's id of it; empty until it is known."""
    offer_sha256: bytes = b""
    answer_sdp: bytes | None = None
    ended_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call of the model, as it was received, and its one output."""

    provider_call_id: str
    call_id: str
    session_id: str
    name: str
    arguments: str
    execution_id: str | None = None
    output_item_id: str = ""
    output: str | None = None
    delivered: bool = False


def connecting(session: Session, *, generation: int) -> Session:
    """Return it with an offer taken. Raises what forbids it."""
    if session.is_over:
        raise session_ended(session)
    if session.state is State.LIVE:
        raise errors.SessionAlreadyConnected(
            f"Session '{session.session_id}' is connected; it takes no further offer.",
            metadata={"session_id": session.session_id},
        )
    return replace(session, state=State.CONNECTING, generation=generation)


def live(session: Session, *, now: int) -> Session:
    """Return it with its link attached and configured; unchanged unless it waits for that."""
    if session.state is not State.CONNECTING:
        return session
    return replace(session, state=State.LIVE, live_at=session.live_at or now)


def relinking(session: Session) -> Session:
    """Return it waiting for a link to its call again; unchanged unless it had one."""
    if session.state is not State.LIVE:
        return session
    return replace(session, state=State.CONNECTING)


def unconnected(session: Session) -> Session:
    """Return it waiting for another offer; unchanged unless its offer was not answered yet."""
    if session.state is not State.CONNECTING:
        return session
    return replace(session, state=State.PENDING)


def ended(session: Session, reason: EndReason, detail: str, *, now: int) -> Session:
    """Return it ended; unchanged if it has ended already."""
    if session.is_over:
        return session
    return replace(
        session, state=State.ENDED, end_reason=reason, end_detail=detail[:1000], ended_at=now
    )


def check_attempt(session: Session, attempt: int) -> None:
    """Raise HandlerSuperseded unless this is the current attempt of the session's handler."""
    if attempt != session.attempt:
        raise errors.HandlerSuperseded(
            f"Attempt {attempt} of the handler of session '{session.session_id}' is not the "
            f"current one, which is {session.attempt}.",
            metadata={"session_id": session.session_id, "attempt": str(session.attempt)},
        )


def failed_by(reason: EndReason) -> str | None:
    """Return the error reason the root execution fails with; None: the session went well."""
    return _FAILURES.get(reason)


def session_ended(session: Session) -> errors.SessionEnded:
    """Return the error that says that it has ended."""
    reason = session.end_reason.value if session.end_reason else ""
    return errors.SessionEnded(
        f"Session '{session.session_id}' has ended ({reason}).",
        metadata={"session_id": session.session_id, "end_reason": reason},
    )
