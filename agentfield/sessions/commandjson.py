"""Commands and their results as JSON: what replicas write to each other.

A value of a known class is an object with its name in ``$``, bytes are ``{"$": "bytes"}``, free JSON
is ``{"$": "json"}``. A reader takes the fields it knows, and the defaults of those that are missing.
"""

from __future__ import annotations

__all__ = ["command_from_json", "command_json", "kind_of", "result_from_json", "result_json"]

import base64
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args

import orjson

from agentfield.contract.turns import HeardTurn
from agentfield.sessions.commands import Command, Result
from agentfield.sessions.effects import Spoken, Updated
from agentfield.sessions.offers import OfferAssertions
from agentfield.sessions.ports import HandlerStart
from agentfield.v1 import errors

SCHEMA = 1
"""The version of the shapes that are written now."""

_COMMANDS: Mapping[str, type] = {kind.__name__: kind for kind in get_args(Command)}
_CLASSES: Mapping[str, type] = {
    **_COMMANDS,
    **{k.__name__: k for k in (OfferAssertions, HandlerStart, Spoken, Updated, HeardTurn)},
}


def kind_of(command: Command) -> str:
    """Return the name of a command's kind."""
    return type(command).__name__


def command_json(command: Command) -> bytes:
    """Return a command as JSON."""
    return orjson.dumps({"schema": SCHEMA, "command": _plain(command)})


def command_from_json(data: bytes) -> Command:
    """Return the command that ``command_json`` wrote. Raises Unimplemented for one of a newer kind."""
    plain = orjson.loads(data)["command"]
    if plain.get("$") not in _COMMANDS:
        raise errors.Unimplemented(
            f"The replica that runs the session knows no command '{plain.get('$')}': it is older "
            "than the one that was asked. Try again when all are upgraded."
        )
    command: Command = _value(plain)
    return command


def result_json(result: Result | errors.AgentFieldError) -> bytes:
    """Return what came of a command as JSON."""
    if isinstance(result, errors.AgentFieldError):
        error = {
            "reason": result.reason,
            "message": result.message,
            "metadata": result.metadata,
            "retry_after": result.retry_after,
        }
        return orjson.dumps({"schema": SCHEMA, "error": error})
    return orjson.dumps({"schema": SCHEMA, "result": _plain(result)})


def result_from_json(data: bytes) -> Any:
    """Return the result that ``result_json`` wrote, or raise the error."""
    told = orjson.loads(data)
    if "error" not in told:
        return _value(told["result"])
    error = told["error"]
    kind = errors.BY_REASON.get(error["reason"], errors.Internal)
    raise kind(error["message"], metadata=error["metadata"], retry_after=error["retry_after"])


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"$": "bytes", "base64": base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        return {"$": "json", "value": dict(value)}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    name = type(value).__name__
    if name in _CLASSES:
        return {"$": name, **{f.name: _plain(getattr(value, f.name)) for f in fields(value)}}
    return value


def _value(plain: Any) -> Any:
    if isinstance(plain, list):
        return tuple(_value(one) for one in plain)
    if not isinstance(plain, dict):
        return plain
    name = plain["$"]
    if name == "bytes":
        return base64.b64decode(plain["base64"])
    if name == "json":
        return plain["value"]
    kind = _CLASSES[name]
    known = {field.name for field in fields(kind)}
    return kind(**{key: _value(one) for key, one in plain.items() if key in known})
