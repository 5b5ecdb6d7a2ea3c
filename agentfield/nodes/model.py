"""A node, its functions and its workers, and the checks a registration must pass."""

from __future__ import annotations

__all__ = ["STATUSES", "Function", "Node", "Registration", "Worker", "checked_registration"]

import re
from dataclasses import dataclass, field, replace

from agentfield.contract.jsonslice import MalformedJson, check_json
from agentfield.sessions.declaration import Declaration, Matrix, checked
from agentfield.v1 import errors

_NODE_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_FUNCTION = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
_INSTANCE = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
MAX_FUNCTIONS = 1000
MAX_SESSIONS = 1000
MAX_URLS = 20
MAX_EXECUTIONS = 10_000
HTTP_EXECUTIONS = 100
"""How many executions are sent at once to an address that does not say."""
KINDS = frozenset({"reasoner", "skill"})
STATUSES = frozenset({"starting", "ready", "degraded", "offline"})
"""What a worker may say of itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A reasoner or skill."""

    name: str
    kind: str
    description: str = ""
    input_schema: bytes = b"{}"
    output_schema: bytes = b"{}"
    tags: tuple[str, ...] = ()
    idempotent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What one worker declares."""

    node_id: str
    instance_id: str
    version: str
    description: str
    functions: tuple[Function, ...]
    sessions: tuple[Declaration, ...] = ()
    matrix: Matrix = field(default_factory=dict)
    """The provider and transport pairs that the contract knows."""
    base_url: str = ""
    """Where the worker is called over HTTP. Empty: it opens a stream."""
    other_urls: tuple[str, ...] = ()
    max_executions: int = 0
    """How many executions are sent to base_url at once."""
    status: str = ""
    """What it says of itself, if anything: one of STATUSES."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One registered process of a node."""

    worker_id: str
    """The registration id."""
    instance_id: str
    connected: bool
    draining: bool
    max_executions: int
    running: int
    seen_at: int
    max_sessions: int = 0
    base_url: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """An agent service as its newest worker declared it."""

    node_id: str
    version: str
    description: str
    created_by: str
    created_at: int
    updated_at: int
    functions: tuple[Function, ...] = ()
    sessions: tuple[Declaration, ...] = ()
    workers: tuple[Worker, ...] = ()

    @property
    def is_active(self) -> bool:
        """Whether a worker is there that takes work."""
        return any(worker.connected and not worker.draining for worker in self.workers)


def checked_registration(registration: Registration, *, max_bytes: int) -> Registration:
    """Return the registration with schemas filled in, and sessions in the contract's words.

    Raises InvalidArgument that names what is wrong, UnsupportedSessionTransport or PayloadTooLarge.
    """
    r = registration
    _match(_NODE_ID, "node_id", r.node_id, "letters, digits, _ and -")
    _match(_INSTANCE, "instance_id", r.instance_id, "letters, digits, _ . : and -")
    _check_count("functions", len(r.functions), MAX_FUNCTIONS)
    _check_count("sessions", len(r.sessions), MAX_SESSIONS)
    _check_size(r, max_bytes)
    _check_names(r)
    if r.base_url:
        r = _checked_http(r)
    return replace(
        r,
        functions=tuple(map(_checked_function, r.functions)),
        sessions=tuple(checked(session, r.matrix) for session in r.sessions),
    )


def _check_count(word: str, count: int, most: int) -> None:
    if count > most:
        raise errors.InvalidArgument(
            f"A node offers at most {most} {word}, not {count}.", metadata={"field": word}
        )


def _check_size(r: Registration, max_bytes: int) -> None:
    size = sum(len(f.input_schema) + len(f.output_schema) + len(f.description) for f in r.functions)
    size += sum(len(s.instructions) + len(s.metadata) for s in r.sessions)
    if size > max_bytes:
        raise errors.PayloadTooLarge(
            f"The declaration has {size} bytes of schemas, descriptions and instructions; "
            f"this server accepts {max_bytes}.",
            metadata={"limit": str(max_bytes)},
        )


def _check_names(r: Registration) -> None:
    seen: set[str] = set()
    for word, declared in (("functions", r.functions), ("sessions", r.sessions)):
        for one in declared:
            _check_new(one.name, seen, word)
        if r.base_url:
            seen = set()  # existing agents name a session as a function, and mean both


def _checked_http(r: Registration) -> Registration:
    if len(r.other_urls) > MAX_URLS:
        raise errors.InvalidArgument(
            f"A worker has at most {MAX_URLS} other addresses, not {len(r.other_urls)}.",
            metadata={"field": "other_urls"},
        )
    if not 0 <= r.max_executions <= MAX_EXECUTIONS:
        raise errors.InvalidArgument(
            f"A worker's max_executions is between 1 and {MAX_EXECUTIONS}.",
            metadata={"field": "max_executions"},
        )
    for session in r.sessions:
        if session.has_handler:
            raise errors.InvalidArgument(
                f"Session '{session.name[:200]}' declares a handler, and a worker that is called "
                "over HTTP runs none.",
                metadata={"field": "sessions.has_handler"},
            )
    # It is never told which attempt it runs, so nothing is ever sent to it twice.
    once = tuple(replace(function, idempotent=False) for function in r.functions)
    return replace(r, functions=once, max_executions=r.max_executions or HTTP_EXECUTIONS)


def _check_new(name: str, seen: set[str], word: str) -> None:
    if name in seen:
        raise errors.InvalidArgument(
            f"'{name[:200]}' is declared twice; names are unique among the functions and sessions "
            "of a node.",
            metadata={"field": word},
        )
    seen.add(name)


def _checked_function(function: Function) -> Function:
    _match(_FUNCTION, "functions.name", function.name, "letters, digits, _ . and -, no digit first")
    if function.kind not in KINDS:
        raise errors.InvalidArgument(
            f"Function '{function.name}' must be a reasoner or a skill.",
            metadata={"field": "functions.kind"},
        )
    return replace(
        function,
        input_schema=_checked_schema(function, "input_schema", function.input_schema),
        output_schema=_checked_schema(function, "output_schema", function.output_schema),
    )


def _checked_schema(function: Function, name: str, schema: bytes) -> bytes:
    if not schema:
        return b"{}"
    try:
        check_json(schema, expect_object=True)
    except MalformedJson as error:
        raise errors.InvalidArgument(
            f"The {name} of function '{function.name}' must be a JSON object: {error}.",
            metadata={"field": f"functions.{name}"},
        ) from None
    return schema


def _match(pattern: re.Pattern[str], name: str, value: str, allowed: str) -> None:
    if not pattern.fullmatch(value):
        raise errors.InvalidArgument(
            f"'{value[:200]}' is not a valid {name}: 1 to 128 characters, {allowed}.",
            metadata={"field": name},
        )
