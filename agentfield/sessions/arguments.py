"""The arguments of a model's tool call, held against the tool's input schema."""

from __future__ import annotations

__all__ = ["Refusal", "parse_arguments"]

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from agentfield.sessions.model import Tool
from agentfield.v1 import errors

_NO_SCHEMA = (
    SchemaError,
    Unresolvable,
    RecursionError,
    AttributeError,
    KeyError,
    TypeError,
    ValueError,
)
"""What comes of a schema that refers to what is none."""

Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]


class Refusal(Exception):
    """A call that does not run."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def parse_arguments(tool: Tool, arguments: str) -> bytes:
    """Return the arguments as a JSON object that fits the tool's input schema.

    Regular expressions in the schema are left to the function: one that takes for ever would stop
    every call of this server. Raises Refusal with a text the model can act on.
    """
    try:
        given = orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError as error:
        raise Refusal(
            errors.InvalidInput.reason, f"The arguments are not valid JSON: {error}."
        ) from None
    if not isinstance(given, dict):
        raise Refusal(errors.InvalidInput.reason, "The arguments must be a JSON object.")
    try:
        validator = _validator(tool.input_schema or b"{}")
        if validator is not None:
            validator.validate(given)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.absolute_path)
        at = f" at '{where}'" if where else ""
        raise Refusal(
            errors.InvalidInput.reason, f"The arguments do not fit{at}: {error.message[:500]}."
        ) from None
    except _NO_SCHEMA:
        pass  # the function itself judges what its schema cannot
    return arguments.encode() if arguments else b"{}"


@lru_cache(maxsize=512)
def _validator(schema: bytes) -> Validator | None:
    """Return what validates against a schema; None for a schema that is none."""
    loaded = orjson.loads(schema)
    try:
        Draft202012Validator.check_schema(loaded)
    except _NO_SCHEMA:
        return None
    # An empty registry: a schema's references are never fetched.
    return _Validator(loaded, registry=Registry())


def _passed(_validator: Any, _value: Any, _instance: Any, _schema: Any) -> None:
    """Accept everything."""


def _without_patterns(name: str) -> Keyword:
    check: Keyword = Draft202012Validator.VALIDATORS[name]

    def unless_patterns(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
        if "patternProperties" in schema:
            return None
        return check(validator, value, instance, schema)

    return unless_patterns


_Validator: type[Validator] = extend(  # type: ignore[no-untyped-call] # its stubs lack types
    Draft202012Validator,
    {
        "pattern": _passed,
        "patternProperties": _passed,
        "additionalProperties": _without_patterns("additionalProperties"),
        "unevaluatedProperties": _passed,
    },
)
