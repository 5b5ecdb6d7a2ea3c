"""Commands and results as replicas write them to each other."""

from __future__ import annotations

from typing import get_args

import orjson
import pytest

from agentfield.contract.turns import HeardTurn
from agentfield.sessions import commands as c
from agentfield.sessions.commandjson import (
    command_from_json,
    command_json,
    kind_of,
    result_from_json,
    result_json,
)
from agentfield.sessions.effects import Spoken, Updated
from agentfield.sessions.offers import OfferAssertions
from agentfield.sessions.ports import HandlerStart
from agentfield.v1 import errors

pytestmark = pytest.mark.unit

START = HandlerStart(
    session_id="sess_1", attempt=2, node_id="n", name="voice", root_execution_id="e", run_id="r"
)
COMMANDS: list[c.Command] = [
    c.TakeOffer(sdp=b"v=0\r\n\xff\x00", asserted=OfferAssertions(provider="openai")),
    c.InvokeTool(
        tool="find", target="", input=b'{"n": 1e400}', call_id="", timeout=1.5, request_id="r"
    ),
    c.EndSession(reason="api_ended", detail="done", attempt=0),
    c.Say(attempt=1, request_id="r", text="Hi.", metadata={"$": "bytes", "deep": [{"a": None}]}),
    c.Respond(attempt=1, request_id="r", instructions=""),
    c.Interrupt(attempt=1, request_id="r"),
    c.UpdateSession(attempt=1, request_id="r", instructions=None, tools=("a", "b.c")),
    c.UpdateSession(attempt=1, request_id="r", instructions="", tools=None),
    c.ReportHandler(attempt=1, outcome=c.HandlerOutcome.FAILED, error="broke"),
    c.PlaceHandler(start=START),
]
SPOKEN = Spoken(
    text="Hi.",
    spoken_text="Hi there.",
    verbatim=False,
    heard_text="Hi",
    heard_ms=120,
    estimated=True,
    outcome="interrupted",
    turn=HeardTurn(item_id="item_1", role="agent", text="Hi", metadata={"mood": {"of": 1}}),
)


@pytest.mark.parametrize("command", COMMANDS, ids=kind_of)
def test_a_command_is_read_as_it_was_written(command: c.Command) -> None:
    assert command_from_json(command_json(command)) == command


def test_every_kind_of_command_is_tried_here() -> None:
    assert {type(command) for command in COMMANDS} == set(get_args(c.Command))


@pytest.mark.parametrize(
    "result",
    [b"v=0\r\n\x00\xff", "exec_1", True, None, SPOKEN, Updated(tool_targets={"find": "n.find"})],
    ids=lambda result: type(result).__name__,
)
def test_a_result_is_read_as_it_was_written(result: c.Result) -> None:
    assert result_from_json(result_json(result)) == result


def test_an_error_is_raised_where_the_result_is_read() -> None:
    told = errors.SessionEnded("It is over.", metadata={"session_id": "s"}, retry_after=0.5)

    with pytest.raises(errors.SessionEnded, match="It is over") as caught:
        result_from_json(result_json(told))

    assert (caught.value.metadata, caught.value.retry_after) == ({"session_id": "s"}, 0.5)


def test_what_a_newer_server_adds_to_a_command_is_left_out() -> None:
    written = orjson.loads(command_json(COMMANDS[5]))
    written["command"]["volume"] = 11

    assert command_from_json(orjson.dumps(written)) == COMMANDS[5]


def test_a_command_of_a_newer_server_is_refused_as_such() -> None:
    with pytest.raises(errors.Unimplemented, match="knows no command 'Sing'"):
        command_from_json(b'{"schema": 1, "command": {"$": "Sing"}}')
