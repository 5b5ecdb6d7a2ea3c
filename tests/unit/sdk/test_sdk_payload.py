from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from agentfield.v1 import errors
from agentfield_sdk import SessionTurn
from agentfield_sdk.functions import declare
from agentfield_sdk.payload import dump, duration, load

pytestmark = pytest.mark.unit

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, width=32),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
).filter(lambda value: "Infinity" not in json.dumps(value))


class Order(BaseModel):
    number: int = Field(alias="no")


@dataclass
class Line:
    at: datetime


@given(JSON)
def test_what_is_dumped_loads_as_the_same_value(value: object) -> None:
    assert load(dump(value)) == value


def test_integers_beyond_64_bits_stay_exact() -> None:
    assert load(b'{"n": 123456789012345678901234567890}') == {"n": 123456789012345678901234567890}


def test_models_and_dataclasses_and_times_become_json() -> None:
    value = {"order": Order(no=3), "line": Line(datetime(2026, 1, 2, tzinfo=UTC))}

    assert load(dump(value)) == {"order": {"no": 3}, "line": {"at": "2026-01-02T00:00:00Z"}}


def test_a_value_that_json_cannot_say_is_an_invalid_argument() -> None:
    with pytest.raises(errors.InvalidArgument, match="cannot be written as JSON"):
        dump({"x": object()})


def test_no_bytes_are_none() -> None:
    assert load(b"") is None


def test_a_turn_travels_without_its_audio_wherever_it_stands() -> None:
    turn = SessionTurn(text="Hi", audio=b"\xff", audio_format="pcm16", metadata={"n": 1})

    found = load(dump({"turn": turn, "turns": [turn]}))

    assert found["turns"] == [found["turn"]]
    assert "audio" not in found["turn"]
    assert (found["turn"]["text"], found["turn"]["audio_format"]) == ("Hi", "pcm16")
    assert (found["turn"]["transcript"], found["turn"]["metadata"]) == (None, {"n": 1})


async def test_a_function_may_take_a_turn() -> None:
    async def shout(turn: SessionTurn) -> str:
        return turn.text.upper()

    turn = SessionTurn(text="Hi", role="user", item_id="item_1")
    function = declare(shout, name=None, kind="skill")

    assert await function.run(dump({"turn": turn})) == b'"HI"'


def test_seconds_travel_exactly() -> None:
    assert duration(None) is None
    assert duration(1.5) == Duration(seconds=1, nanos=500_000_000)
