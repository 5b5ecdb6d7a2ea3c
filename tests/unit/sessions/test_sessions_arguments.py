"""A model's arguments, held against schemas of every kind; no schema may hold the server up."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from agentfield.sessions.arguments import Refusal, parse_arguments
from agentfield.sessions.model import Tool

pytestmark = pytest.mark.unit


def tool(**schema: Any) -> Tool:
    described = {"type": "object", **schema}
    return Tool(entry="t", name="t", target="n.t", input_schema=orjson.dumps(described))


FOR_EVER = "^(a+)+$"
ENDLESS = "a" * 40 + "!"


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"x": {"type": "string", "pattern": FOR_EVER}}},
        {"patternProperties": {FOR_EVER: {"type": "string"}}},
        {"patternProperties": {FOR_EVER: {}}, "additionalProperties": False},
        {"patternProperties": {FOR_EVER: {}}, "unevaluatedProperties": False},
        {"propertyNames": {"pattern": FOR_EVER}},
    ],
)
def test_a_pattern_that_takes_for_ever_is_left_to_the_function(schema: dict[str, Any]) -> None:
    given = orjson.dumps({"x": ENDLESS, ENDLESS: "y"}).decode()

    assert parse_arguments(tool(**schema), given) == given.encode()


@pytest.mark.parametrize(
    ("schema", "given"),
    [
        ({"properties": {"x": {"type": "integer"}}}, '{"x": "one"}'),
        ({"required": ["x"]}, "{}"),
        ({"properties": {}, "additionalProperties": False}, '{"x": 1}'),
        ({"properties": {"x": {"pattern": "^a$", "maxLength": 1}}}, '{"x": "bb"}'),
    ],
)
def test_everything_else_of_a_schema_counts(schema: dict[str, Any], given: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse_arguments(tool(**schema), given)

    assert refused.value.reason == "INVALID_INPUT"


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"x": {"$ref": "#/required"}}, "required": []},
        {"properties": {"x": {"$ref": "#/description"}}, "description": "words"},
        {"properties": {"x": {"$ref": "#/properties"}}},
        {"properties": {"x": {"$ref": "#/maxProperties"}}, "maxProperties": 9},
    ],
)
def test_a_reference_to_what_is_no_schema_is_left_to_the_function(schema: dict[str, Any]) -> None:
    assert parse_arguments(tool(**schema), '{"x": 1}') == b'{"x": 1}'
