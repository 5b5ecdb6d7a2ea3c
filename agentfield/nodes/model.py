"""A node, its functions and its workers, and the checks a registration must pass."""

from __future__ import annotations

__all__ = ["Function", "Node", "Registration", "Worker", "checked_registration"]

import re
from dataclasses import dataclass, replace

from agentfield.contract.jsonslice import MalformedJson, check_json
from agentfield.v1 import errors

_NODE_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_FUNCTION = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
_INSTANCE = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
MAX_FUNCTIONS = 1000
KINDS = frozenset({"reasoner", "skill"})


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
    workers: tuple[Worker, ...] = ()


def checked_registration(registration: Registration, *, max_bytes: int) -> Registration:
    """Return the registration with schemas filled in.

    Raises InvalidArgument that names what is wrong, or PayloadTooLarge.
    """
    _match(_NODE_ID, "node_id", registration.node_id, "letters, digits, _ and -")
    _match(_INSTANCE, "instance_id", registration.instance_id, "letters, digits, _ . : and -")
    if len(registration.functions) > MAX_FUNCTIONS:
        raise errors.InvalidArgument(
            f"A node offers at most {MAX_FUNCTIONS} functions, not {len(registration.functions)}.",
            metadata={"field": "functions"},
        )
    size = sum(
        len(f.input_schema) + len(f.output_schema) + len(f.description)
        for f in registration.functions
    )
    if size > max_bytes:
        raise errors.PayloadTooLarge(
            f"The declaration has {size} bytes of schemas and descriptions; "
            f"this server accepts {max_bytes}.",
            metadata={"limit": str(max_bytes)},
        )
    seen: set[str] = set()
    for function in registration.functions:
        if function.name in seen:
            raise errors.InvalidArgument(
                f"Function '{function.name}' is declared twice; names are unique in a node.",
                metadata={"field": "functions"},
            )
        seen.add(function.name)
    return replace(registration, functions=tuple(map(_checked_function, registration.functions)))


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
