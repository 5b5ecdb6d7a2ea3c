"""The tools of a session: what they are called, whether a call may run, and what the model gets."""

from __future__ import annotations

__all__ = [
    "MAX_OUTPUT",
    "called_tool",
    "error_output",
    "find_tool",
    "output_item_id",
    "resolve_tools",
    "result_output",
    "tool_spec",
]

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from agentfield.sessions.arguments import Refusal
from agentfield.sessions.model import Tool
from agentfield.sessions.ports import DeclaredFunction
from agentfield.sessions.provider import ToolSpec
from agentfield.v1 import errors

MAX_OUTPUT = 32 * 1024
"""Bytes of one output."""
MAX_NAME = 64
_NOT_ALLOWED_IN_NAME = re.compile(r"[^A-Za-z0-9_-]")


def resolve_tools(
    node_id: str, entries: Sequence[str], functions: Mapping[str, DeclaredFunction]
) -> tuple[Tool, ...]:
    """Return the tools that declared entries stand for, with the names the model gets.

    ``functions`` are by ``node.function``. Raises TargetNotFound for an entry that nobody offers.
    """
    targets = {entry: entry if "." in entry else f"{node_id}.{entry}" for entry in entries}
    targets = {
        entry: f"{node_id}.{entry}" if f"{node_id}.{entry}" in functions else target
        for entry, target in targets.items()
    }
    for entry, target in targets.items():
        if target not in functions:
            raise errors.TargetNotFound(
                f"The tool '{entry}' is no function that a node offers: start the agent that "
                f"declares '{target}', or take it from the session's tools.",
                metadata={"target": target},
            )
    names = wire_names(targets.values())
    first = {target: entry for entry, target in reversed(targets.items())}
    return tuple(
        Tool(
            entry=entry,
            name=names[target],
            target=target,
            description=functions[target].description,
            input_schema=functions[target].input_schema,
        )
        for target, entry in ((target, first[target]) for target in names)
    )


def wire_names(targets: Iterable[str]) -> dict[str, str]:
    """Return a name of ``[A-Za-z0-9_-]{1,64}`` for each target, unlike all the others.

    It is the short name where that is unique, else ``<node>__<name>``; other characters become
    ``_``, and a long one is cut and ends in six hex digits of its SHA-256.
    """
    unique = list(dict.fromkeys(targets))
    short = {target: _clean(target.partition(".")[2]) for target in unique}
    taken = list(short.values())
    names: dict[str, str] = {}
    for target in unique:
        name = short[target]
        if taken.count(name) > 1:
            name = _clean(target.replace(".", "__", 1))
        if len(name) > MAX_NAME or name in names.values():
            digest = hashlib.sha256(target.encode()).hexdigest()[:6]
            name = f"{name[: MAX_NAME - 7]}_{digest}"
        names[target] = name
    return names


def _clean(name: str) -> str:
    return _NOT_ALLOWED_IN_NAME.sub("_", name)


def tool_spec(tool: Tool) -> ToolSpec:
    """Return a tool as the model gets it."""
    schema = orjson.loads(tool.input_schema or b"{}")
    return ToolSpec(
        name=tool.name,
        description=tool.description,
        input_schema=schema or {"type": "object", "properties": {}},
    )


def find_tool(tools: Sequence[Tool], name: str) -> Tool | None:
    """Return the tool of a name: the model's, the declared one, or the whole target."""
    for of in ("name", "target", "entry"):
        for tool in tools:
            if getattr(tool, of) == name:
                return tool
    return None


def called_tool(tools: Sequence[Tool], name: str) -> Tool:
    """Return the tool that the model means by a name. Raises Refusal for any other name."""
    for tool in tools:
        if tool.name == name:
            return tool
    raise Refusal(
        errors.ToolNotAllowed.reason, f"'{name}' is not one of the tools of this session."
    )


def result_output(result: bytes) -> str:
    """Return what the model gets of a result; too much of it is cut, and says so."""
    text = result.decode()
    if len(result) <= MAX_OUTPUT:
        return text
    low, high = 0, MAX_OUTPUT
    while low < high:
        middle = (low + high + 1) // 2
        if len(_cut(text, middle).encode()) <= MAX_OUTPUT:
            low = middle
        else:
            high = middle - 1
    return _cut(text, low)


def _cut(text: str, characters: int) -> str:
    return json.dumps({"truncated": True, "result": text[:characters]}, ensure_ascii=False)


def error_output(reason: str, message: str) -> str:
    """Return what the model gets of a call that has no result."""
    error: dict[str, Any] = {"error": {"reason": reason, "message": message[:2000]}}
    return orjson.dumps(error).decode()


def output_item_id(secret: str, call_id: str) -> str:
    """Return the id of an output's item, at most 32 long.

    It is the same whenever it is asked for, and nobody can tell it who does not know the secret of
    the provider call: a client cannot put an item of that id in first.
    """
    digest = hmac.digest(secret.encode(), call_id.encode(), "sha256").hex()
    return f"item_{digest[:26]}"
