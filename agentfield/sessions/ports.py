"""What sessions need from the rest of the house."""

from __future__ import annotations

__all__ = [
    "Append",
    "Begun",
    "Change",
    "DeclaredFunction",
    "Elsewhere",
    "EndRoot",
    "Found",
    "HandlerStart",
    "Position",
    "PutCall",
    "PutSession",
    "PutToolCall",
    "SessionFilter",
    "SessionPage",
    "Start",
    "Store",
    "StoredToken",
    "Workers",
]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agentfield.executions.model import Execution, Failure, Status
from agentfield.executions.ports import Scope
from agentfield.sessions.declaration import Declaration
from agentfield.sessions.model import CallState, Event, ProviderCall, Session, ToolCall


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredFunction:
    """A reasoner or skill that may become a tool."""

    node_id: str
    name: str
    description: str
    input_schema: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Who starts which session, and what makes the request repeatable."""

    node_id: str
    name: str
    caller_name: str
    start_token_id: str
    """What the caller shows in place of a key, and this start uses up. Empty: it is a key."""
    request_id: str
    fingerprint: bytes
    token_sha256: bytes
    """The hash of the session token that this answer will carry."""
    token_expires_at: Callable[[Session], int]
    replica_id: str
    """Who stores it, and must have a lease."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the store knows when a session is to begin."""

    node_exists: bool
    declarations: Mapping[str, Declaration]
    """What the node declares, by name."""
    functions: Mapping[str, DeclaredFunction]
    """Those of the nodes that the declaration's tools name, by ``node.function``."""
    sessions_of_target: int
    """That have not ended."""
    sessions_of_caller: int
    now: int
    replicas_with_room: Sequence[str] = ()
    """Those with a worker that seems to have room for the handler; the one with the most first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A session that begins, and the execution that stands for it."""

    session: Session
    root: Execution
    events: tuple[Event, ...]


# --- what a session's owner changes; all of one commit, or nothing of it ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """Put an event into the log."""

    type: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PutSession:
    """Store what can change of the session."""

    session: Session


@dataclass(frozen=True, slots=True, kw_only=True)
class PutCall:
    """Store a provider call, new or changed."""

    call: ProviderCall


@dataclass(frozen=True, slots=True, kw_only=True)
class PutToolCall:
    """Store a tool call, new or changed."""

    call: ToolCall


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRoot:
    """End the root execution, unless it has ended."""

    execution_id: str
    status: Status
    failure: Failure | None = None


Change = Append | PutSession | PutCall | PutToolCall | EndRoot


# --- reading ---


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFilter:
    """Which sessions to list; empty: any."""

    node_id: str = ""
    name: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPage:
    """A part of a long list."""

    sessions: tuple[Session, ...]
    next_seq: int | None
    """Where the next page starts; None: this was the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far a log has come."""

    last_sequence: int
    is_over: bool
    deleted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredToken:
    """A token that is kept as its hash."""

    session_id: str
    created_by: str
    """Who started the session."""
    expires_at: int
    ended_at: int | None
    """When its session ended."""


class Store(Protocol):
    """Where sessions, their logs and their provider calls are kept.

    A write that returned is on disk. Writes take effect in the order they are asked for.
    """

    def now(self) -> int:
        """Return the store's time, in microseconds since the epoch."""

    async def start(self, start: Start, begin: Callable[[Found], Begun]) -> tuple[Session, bool]:
        """Store what ``begin`` makes of what is found, with its root execution, events and token.

        A repeat of an earlier request_id stores the fresh token only; returns the session as it is
        and whether it is new. Raises RequestIdReused, and what ``begin`` raises.
        """

    async def commit(self, session_id: str, epoch: int, changes: Sequence[Change]) -> list[Event]:
        """Store changes in one transaction and return the events with sequence and time.

        Raises Unowned if ``epoch`` is not the session's: another owner has taken over.
        """

    async def get(self, session_id: str) -> Session | None: ...

    async def page(
        self, where: SessionFilter, scope: Scope, *, before_seq: int | None, limit: int
    ) -> SessionPage: ...

    async def position(self, session_id: str) -> Position | None: ...

    async def events(self, session_id: str, *, after: int, limit: int) -> list[Event]:
        """Return a part of a log in its order."""

    async def calls(self, session_id: str) -> list[ProviderCall]:
        """Return the provider calls of a session, the oldest first."""

    async def calls_in(self, state: CallState, *, owner: str) -> list[ProviderCall]:
        """Return the provider calls of an owner's sessions that are in a state, the oldest first."""

    async def tool_calls(self, provider_call_id: str) -> list[ToolCall]:
        """Return the tool calls of a provider call."""

    async def settle_call(self, provider_call_id: str, state: CallState) -> None:
        """Note what became of a provider call; ENDED and ABANDONED get the time as well."""

    async def functions(self, targets: Sequence[str]) -> Mapping[str, DeclaredFunction]:
        """Return those of the functions that are declared now, by ``node.function``."""

    async def token(self, sha256: bytes) -> StoredToken | None: ...

    async def delete(self, session_id: str) -> Session | None:
        """Remove words, inputs and results of an ended session; return the tombstone.

        None: there is no such session. Raises SessionActive.
        """

    async def expire(self, *, ended_before: int, limit: int) -> int:
        """Delete sessions that ended before a time, words left since a deletion, and void tokens.

        At most ``limit`` of each; returns how many of the most there were.
        """


# --- workers ---


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerStart:
    """An attempt of a session's handler, for a worker to run."""

    session_id: str
    attempt: int
    node_id: str
    name: str
    """The session's name on its node."""
    root_execution_id: str
    run_id: str
    actor_id: str = ""
    traceparent: str = ""


class Workers(Protocol):
    """The connected workers, as far as handlers go."""

    def available(self, node_id: str, name: str) -> bool:
        """Return whether a worker is connected that declares the session and has room."""

    def place(self, start: HandlerStart) -> str | None:
        """Send a handler to the least busy worker that declares its session and has room.

        Returns the worker's instance id; None: there is no such worker.
        """

    def free(self, session_id: str, attempt: int) -> None:
        """Note that an attempt has ended: its place is free, wherever it is."""


class Elsewhere(Protocol):
    """The workers that are connected to other replicas."""

    async def place(self, start: HandlerStart) -> str | None:
        """Send a handler to one of them that declares its session and has room.

        Returns the worker's instance id; None: there is no such worker.
        """
