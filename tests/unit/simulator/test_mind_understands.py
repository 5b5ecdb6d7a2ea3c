"""Numbers, dates, times and codes are understood as they are said and as they are written down."""

from __future__ import annotations

from typing import Any

import pytest

from agentfield.simulator.mind.candidates import candidates
from agentfield.simulator.mind.codes import emails, matching, uuids
from agentfield.simulator.mind.filling import fill
from agentfield.simulator.mind.numbers import numbers
from agentfield.simulator.mind.schemas import fits, parameters
from agentfield.simulator.mind.times import dates, times
from agentfield.simulator.mind.words import Utterance, identifier_words, stem
from agentfield.simulator.senses import Tool

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("twenty-five percent", [25]),
        ("two hundred and fifty dollars", [250]),
        ("four thousand two hundred and seven", [4207]),
        ("one million", [1_000_000]),
        ("$1,250.75", [1250.75]),
        ("twelve dollars and fifty cents", [12.5]),
        ("four dollars fifty", [4.5]),
        ("four dollars fifty minutes ago", [4, 50]),
        ("one dollar two apples", [1, 2]),
        ("two hours and a half", [2.5]),
        ("10km in 45 minutes", [10, 45]),
        ("a dozen eggs and half a dozen apples", [12, 6]),
        ("half an hour", [0.5]),
        ("one and a half minutes", [1.5]),
        ("eighty one point four", [81.4]),
        ("minus five degrees", [-5]),
        ("nine nine oh four", [9904]),
        ("two double four", [244]),
        ("a hundred and thirty over eighty five", [130, 85]),
        ("five six", [5, 6]),
        ("a couple of days", [2]),
        ("nothing at all", []),
        ("flight LH400", []),
    ],
)
def test_numbers(text: str, values: list[float]) -> None:
    assert [number.value for number in numbers(Utterance(text=text).words)] == values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("on 2026-05-03", ["2026-05-03"]),
        ("from the third of may 2026 to may 5th, 2026", ["2026-05-03", "2026-05-05"]),
        ("the twenty first of june twenty twenty six", ["2026-06-21"]),
        ("December 1 two thousand and nine", ["2009-12-01"]),
        ("the twenty-third of August, two thousand, twenty six", ["2026-08-23"]),
        ("May 5th, 2026", ["2026-05-05"]),
        ("the thirtieth of february 2026", []),
        ("the third of may", []),
        ("tomorrow", []),
    ],
)
def test_dates(text: str, values: list[str]) -> None:
    assert [each.value for each in dates(Utterance(text=text))] == values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("at half past seven in the evening", ["19:30:00"]),
        ("quarter to nine pm", ["20:45:00"]),
        ("ten past six", ["06:10:00"]),
        ("half-past seven, in the evening", ["19:30:00"]),
        ("twenty-five to nine", ["08:35:00"]),
        ("at 7:15 am", ["07:15:00"]),
        ("8 p.m.", ["20:00:00"]),
        ("twelve o'clock", ["12:00:00"]),
        ("midnight", ["00:00:00"]),
        ("at six thirty", ["06:30:00"]),
        ("at seven", ["07:00:00"]),
        ("a table for four", []),
        ("at 25:70", []),
    ],
)
def test_times(text: str, values: list[str]) -> None:
    assert [each.value for each in times(Utterance(text=text))] == values


@pytest.mark.parametrize(
    ("text", "pattern", "value"),
    [
        ("order four seven one one please", r"^\d{4}$", "4711"),
        ("for two oh nine", r"\d{4}", "4209"),
        ("t one two three four five", r"^T-\d{5}$", "T-12345"),
        ("it is i c e five ninety two", r"^[A-Z]{2,3}\d{1,4}$", "ICE592"),
        ("a b one two c d e", r"^[A-Z]{2}\d{2} [A-Z]{3}$", "AB12 CDE"),
        ("my plate is ab12cde", r"^[A-Z]{2}\d{2} [A-Z]{3}$", "AB12 CDE"),
        ("please help me with it", r"^[A-Z0-9]{6}$", None),
        ("number five", r"^\d{4}$", None),
        ("anything", "(", None),
        ("number five", "5{99999999999999999999}", None),
        ("number five", "(" * 5000 + "5" + ")" * 5000, None),
        ("it is 555 0123 4567", r"^\+?1?[ -]?\(?\d{3}\)?[ -]?\d{4}[ -]?\d{3,4}$", "55501234567"),
        ("one two three four five six", r"^(?:\d{2}-?){2,3}$", "123456"),
    ],
)
def test_codes(text: str, pattern: str, value: str | None) -> None:
    found = matching(Utterance(text=text), pattern)
    assert (found[0].value if found else None) == value


@pytest.mark.parametrize(
    "pattern",
    [
        r"^(\d+)+X$",
        r"^(?:(?:\d|\d)*\d?)*X$",
        r"^(\d?){20}\d{20}X$",
        r"^\d*\d*\d*\d*\d*\d*\d*\d*\d*\d*\d*\d*X$",
    ],
)
def test_what_might_be_tried_for_ever_is_not_begun(pattern: str) -> None:
    schema = {"type": "object", "properties": {"code": {"type": "string", "pattern": pattern}}}
    digits = "1" * 24
    assert matching(Utterance(text=" ".join(digits)), pattern) == []
    assert not fits({"code": digits}, schema)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("write to Grace.Hopper@navy.example please", "Grace.Hopper@navy.example"),
        ("i am bo underscore li at mail dot example dot net", "bo_li@mail.example.net"),
        ("ada at example.org", "ada@example.org"),
    ],
)
def test_email_addresses(text: str, value: str) -> None:
    assert [each.value for each in emails(Utterance(text=text))] == [value]


def test_uuids_are_understood_as_they_are_written() -> None:
    text = "it is 123E4567-e89b-12d3-a456-426614174000, I think"
    found = uuids(Utterance(text=text))
    assert [each.value for each in found] == ["123e4567-e89b-12d3-a456-426614174000"]


def test_identifiers_are_words() -> None:
    assert identifier_words("wms__countStock") == ["wms", "count", "stock"]
    assert identifier_words("getHTTPStatus2") == ["get", "http", "status", "2"]
    assert identifier_words("late-checkout") == ["late", "checkout"]
    assert identifier_words("IC74") == ["ic", "74"]
    assert identifier_words("Zürich West") == ["zürich", "west"]


@pytest.mark.parametrize(
    "forms",
    ["book books booking booked", "city cities", "stolen steal stealing", "dim dimming dimmed"],
)
def test_forms_of_a_word_have_one_stem(forms: str) -> None:
    assert len({stem(form) for form in forms.split()}) == 1


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "integer", "description": "How many minutes"}, "two hours", 120),
        ({"type": "number", "description": "Weight in kg"}, "500 grams", 0.5),
        ({"type": "integer", "description": "How many minutes"}, "five kilometres", None),
        ({"type": "integer", "description": "How many percent"}, "five per cent", 5),
        ({"type": "integer", "maximum": 10}, "fifteen", None),
        ({"type": "integer"}, "two and a half", None),
        ({"type": "integer", "description": "How many tickets"}, "for tickets", 4),
        ({"type": ["integer", "null"]}, "eleven", 11),
        (
            {"anyOf": [{"type": "null"}, {"enum": ["red", "dark blue"]}]},
            "the blue one",
            "dark blue",
        ),
        ({"enum": ["apples"]}, "an apple", "apples"),
        ({"enum": ["Zürich", "Genève"]}, "to zürich please", "Zürich"),
        ({"enum": ["oil_change"]}, "an oil change", "oil_change"),
        ({"oneOf": [{"const": "s1", "title": "small size"}]}, "small size", "s1"),
        ({"type": "array", "items": {"enum": ["a1", "b1"]}}, "b1 and a1", ["b1", "a1"]),
        ({"type": "array", "items": {"type": "integer"}}, "three, five and 8", [3, 5, 8]),
        ({"type": "boolean", "description": "Whether to sit outside"}, "outside", True),
        ({"type": "boolean", "description": "Whether to sit outside"}, "not outside", False),
        ({"enum": [1, 2, 3]}, "number two", 2),
        ({"enum": ["1", "2", "3"]}, "number two", "2"),
        ({"$ref": "#/$defs/Colour"}, "green", "green"),
        ({"$ref": "#/$defs/Nowhere"}, "green", None),
        ({"$ref": "https://example.org/schema"}, "green", None),
    ],
)
def test_values_by_schema(schema: dict[str, Any], text: str, value: Any) -> None:
    whole = {
        "type": "object",
        "properties": {"thing": schema},
        "$defs": {"Colour": {"enum": ["red", "green"]}},
    }
    found = candidates(parameters(whole)[0], Utterance(text=text))
    assert (found[0].value if found else None) == value


def tool(*required: str, **properties: Any) -> Tool:
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return Tool(name="do_it", description="Do it.", parameters=schema)


def test_optional_values_are_left_out_unless_they_are_clearly_said() -> None:
    colour = {"enum": ["red", "green"], "default": "red"}
    asked = tool("count", count={"type": "integer"}, colour=colour, age={"type": "integer"})
    assert fill(asked, Utterance(text="three and four")).arguments == {"count": 3}
    assert fill(asked, Utterance(text="three red ones")).arguments == {"count": 3}
    assert fill(asked, Utterance(text="3 green ones")).arguments == {"count": 3, "colour": "green"}


def test_an_optional_object_that_lacks_something_is_left_out() -> None:
    address = {
        "type": "object",
        "properties": {"floor": {"type": "integer"}, "side": {"enum": ["left", "right"]}},
        "required": ["floor", "side"],
    }
    assert fill(tool(address=address), Utterance(text="on the left")).arguments == {}
    whole = fill(tool(address=address), Utterance(text="the left side, floor 3")).arguments
    assert whole == {"address": {"floor": 3, "side": "left"}}


def test_an_object_that_is_required_is_there_even_if_nothing_is_known_of_it() -> None:
    filters = {"type": "object", "properties": {"colour": {"enum": ["red", "green"]}}}
    asked = tool("filters", filters=filters)
    assert fill(asked, Utterance(text="everything")).arguments == {"filters": {}}
    assert fill(asked, Utterance(text="red")).arguments == {"filters": {"colour": "red"}}


def test_what_all_of_several_schemas_ask_for_is_asked_for() -> None:
    one = {"properties": {"count": {"type": "integer"}}, "required": ["count"]}
    other = {"properties": {"colour": {"enum": ["red", "green"]}}, "required": ["colour"]}
    asked = Tool(name="do_it", description="", parameters={"allOf": [one, other]})
    assert fill(asked, Utterance(text="3 red ones")).arguments == {"count": 3, "colour": "red"}


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": [], "required": True},
        {"properties": {"count": 7}, "required": ["count"]},
        {"properties": {"count": {"enum": None, "type": {}, "allOf": 1}}, "required": ["count"]},
        {"properties": {"count": {"pattern": 5, "type": "string", "anyOf": [[]]}}},
        {"$ref": "#"},
    ],
)
def test_a_schema_that_is_none_is_no_reason_to_fail(schema: dict[str, Any]) -> None:
    wrong = Tool(name="do_it", description="Do it.", parameters=schema)
    fill(wrong, Utterance(text="do it three times")).arguments  # noqa: B018 - it must not raise


def test_where_something_comes_from_is_not_where_it_goes() -> None:
    place = {"enum": ["berlin", "hamburg"]}
    asked = tool("origin", "destination", origin=place, destination=place)
    wanted = {"origin": "hamburg", "destination": "berlin"}
    assert fill(asked, Utterance(text="to Berlin from Hamburg")).arguments == wanted
    assert dict(fill(asked, Utterance(text="to Berlin")).values) == {("destination",): "berlin"}


def test_what_a_schema_of_another_kind_wants_is_not_called_with() -> None:
    asked = tool(count={"type": "integer"})
    strict = Tool(
        name="do_it",
        description="Do it.",
        parameters={**asked.parameters, "minProperties": 1},
    )
    assert fill(strict, Utterance(text="do it")).arguments is None


def test_a_schema_that_contains_itself_ends() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#"}, "name": {"type": "string"}}}
    asked = Tool(name="do_it", description="", parameters={**node, "required": ["name"]})
    assert fill(asked, Utterance(text="so be it")).arguments == {"name": "so be it"}
