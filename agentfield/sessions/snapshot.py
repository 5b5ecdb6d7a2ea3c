"""What is kept of sessions as JSON: declarations, tools and the data of events.

Each value carries the version of its shape. A reader takes what it knows, and the default for what
is missing, so that it reads what older and newer servers have written.
"""

from __future__ import annotations

__all__ = [
    "SCHEMA",
    "declaration_from_json",
    "declaration_json",
    "event_data_from_json",
    "event_data_json",
    "tools_from_json",
    "tools_json",
]

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import orjson

from agentfield.sessions.declaration import Declaration, DeclaredLimits, ToolOption
from agentfield.sessions.model import Tool

SCHEMA = 1
"""The version of the shapes that are written now."""

_LISTS = ("modalities", "tools", "tags")


def declaration_json(declaration: Declaration) -> bytes:
    """Return a declaration as JSON; its metadata stands in it as text, byte for byte."""
    d = declaration
    values = {field.name: getattr(d, field.name) for field in fields(d)}
    values["metadata"] = d.metadata.decode()
    for name in ("turn_detection", "transcription"):
        values[name] = None if values[name] is None else dict(values[name])
    return orjson.dumps({"schema": SCHEMA, **values})


def declaration_from_json(data: bytes) -> Declaration:
    """Return the declaration that ``declaration_json`` wrote."""
    values = _known(Declaration, orjson.loads(data))
    values.update((name, tuple(values[name])) for name in _LISTS if name in values)
    if "metadata" in values:
        values["metadata"] = values["metadata"].encode()
    if "limits" in values:
        values["limits"] = DeclaredLimits(**_known(DeclaredLimits, values["limits"]))
    options = (ToolOption(**_known(ToolOption, one)) for one in values.get("tool_options", ()))
    return Declaration(**{**values, "tool_options": tuple(options)})


def tools_json(tools: Sequence[Tool]) -> bytes:
    """Return tools as JSON; their schemas stand in it as text, byte for byte."""
    items = [
        {
            "entry": tool.entry,
            "name": tool.name,
            "target": tool.target,
            "description": tool.description,
            "input_schema": tool.input_schema.decode(),
        }
        for tool in tools
    ]
    return orjson.dumps({"schema": SCHEMA, "tools": items})


def tools_from_json(data: bytes) -> tuple[Tool, ...]:
    """Return the tools that ``tools_json`` wrote."""
    items = (_known(Tool, one) for one in orjson.loads(data).get("tools", ()))
    return tuple(
        Tool(**{**item, "input_schema": item.get("input_schema", "{}").encode()}) for item in items
    )


def event_data_json(data: Mapping[str, Any]) -> bytes:
    """Return an event's data as JSON, with the version of its shape."""
    return orjson.dumps({"schema": SCHEMA, **data})


def event_data_from_json(data: bytes) -> dict[str, Any]:
    """Return the data that ``event_data_json`` wrote, without the version."""
    values: dict[str, Any] = orjson.loads(data)
    values.pop("schema", None)
    return values


def _known(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in values.items() if name in names}
