"""The model's tool calls: what may run runs, and each call has exactly one output."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import orjson
import pytest
from unit.sessions.called import ITEM, begun, output_added
from unit.sessions.stage import LOOK, TALK, Stage

from agentfield.sessions import effects as e
from agentfield.sessions import provider as p
from agentfield.sessions.declaration import DeclaredLimits, ToolOption
from agentfield.sessions.leading import Leader
from agentfield.sessions.model import Tool, ToolCall
from agentfield.sessions.tools import output_item_id

pytestmark = pytest.mark.unit


# --- what may run ---


def test_an_allowed_call_is_logged_and_stored_and_runs() -> None:
    stage = begun()
    before = len(stage.effects)
    stage.call()
    log, save, run = stage.effects[before:]
    assert log == e.Log(
        type="tool.called",
        data={
            "call_id": "call-1",
            "item_id": "call-1-item",
            "response_id": "resp-1",
            "name": "look",
            "target": "shop.look",
            "arguments": '{"n": 1}',
            "source": "model",
        },
    )
    assert save == e.Save(
        call=ToolCall(
            provider_call_id="call_1",
            call_id="call-1",
            session_id="sess_1",
            name="look",
            arguments='{"n": 1}',
        )
    )
    assert run == e.RunTool(call_id="call-1", target="shop.look", input=b'{"n": 1}', timeout=30.0)
    assert stage.conversation.book.find("call-1") == stage.all(e.Save)[0].call


def test_a_call_is_an_execution_and_its_result_goes_to_the_model() -> None:
    stage = begun()
    stage.call()
    stage.start_tool()
    assert stage.one("tool.started") == {
        "call_id": "call-1",
        "execution_id": "exec-call-1",
        "target": "shop.look",
    }
    assert stage.all(e.Save)[-1].call.execution_id == "exec-call-1"
    stage.finish(result=b'{"n": 2}')
    assert stage.one("tool.finished")["status"] == "succeeded"
    assert stage.one("tool.output") == {
        "call_id": "call-1",
        "item_id": ITEM,
        "output": '{"n": 2}',
    }
    assert stage.sent(p.SendToolOutput) == [
        p.SendToolOutput(item_id=ITEM, call_id="call-1", output='{"n": 2}')
    ]
    stored = stage.all(e.Save)[-1].call
    assert (stored.output, stored.output_item_id, stored.delivered) == ('{"n": 2}', ITEM, False)
    # It is stored before it is sent.
    assert isinstance(stage.effects[-1], e.Send)


def test_an_output_is_delivered_when_the_provider_has_it() -> None:
    stage = begun()
    stage.call()
    stage.finish()
    stage.tell(output_added(), output_added())
    assert stage.one("tool.delivered") == {"call_id": "call-1", "item_id": ITEM}
    assert stage.all(e.Save)[-1].call.delivered
    assert not stage.sent(p.DeleteItem)


def test_a_call_that_fails_has_an_output_that_says_so() -> None:
    stage = begun()
    stage.call()
    stage.finish(result=None)
    (output,) = stage.outputs()
    assert json.loads(output) == {"error": {"reason": "EXECUTION_FAILED", "message": "It broke."}}
    assert stage.one("tool.finished")["error_reason"] == "EXECUTION_FAILED"


def test_a_call_has_one_output_though_it_ends_twice() -> None:
    stage = begun()
    stage.call()
    stage.finish()
    stage.finish(result=b'"other"')
    assert stage.outputs() == ['"fine"']


def test_a_call_is_taken_in_once() -> None:
    stage = begun()
    stage.call()
    stage.call(arguments='{"n": 2}')
    assert len(stage.all(e.RunTool)) == 1
    assert len(stage.logged("tool.called")) == 1
    stage.done()
    stage.finish()
    assert stage.asks() == 1


def test_tools_have_timeouts_of_their_own() -> None:
    stage = begun(
        tool_options=(ToolOption(tool="look", timeout=5),), limits=DeclaredLimits(tool_timeout=9)
    )
    stage.call("a", "look")
    stage.call("b", "talk", "")
    assert [run.timeout for run in stage.all(e.RunTool)] == [5, 9]
    assert stage.all(e.RunTool)[1].input == b"{}"


# --- what is refused ---


@pytest.mark.parametrize(
    ("name", "arguments", "reason", "says"),
    [
        ("steal", "{}", "TOOL_NOT_ALLOWED", "'steal' is not one of the tools of this session."),
        ("shop.look", "{}", "TOOL_NOT_ALLOWED", "is not one of the tools"),
        ("look", '{"n":', "INVALID_INPUT", "The arguments are not valid JSON"),
        ("look", "[1]", "INVALID_INPUT", "The arguments must be a JSON object."),
        ("look", '{"n": "x"}', "INVALID_INPUT", "The arguments do not fit at 'n'"),
        ("look", "", "INVALID_INPUT", "The arguments do not fit: 'n' is a required property."),
    ],
)
def test_what_may_not_run_is_answered_at_once(
    name: str, arguments: str, reason: str, says: str
) -> None:
    stage = begun()
    stage.call(name=name, arguments=arguments)
    assert not stage.all(e.RunTool)
    refused = stage.one("tool.refused")
    assert says in refused["message"]
    assert {**refused, "message": ""} == {
        "call_id": "call-1",
        "item_id": "call-1-item",
        "response_id": "resp-1",
        "name": name,
        "source": "model",
        "reason": reason,
        "message": "",
    }
    (output,) = stage.outputs()
    assert json.loads(output) == {"error": {"reason": reason, "message": refused["message"]}}
    assert stage.all(e.Save)[0].call.arguments == arguments
    assert stage.all(e.Save)[-1].call.output == output
    stage.done()
    assert stage.asks() == 1


@pytest.mark.parametrize(
    "schema",
    [
        {"type": 5},
        {"properties": 3},
        {"properties": {"n": {"pattern": "("}}},
        {"$ref": "#"},
        {"$ref": "https://example.org/schema"},
    ],
)
def test_a_schema_that_is_none_leaves_the_judgement_to_the_function(schema: object) -> None:
    stage = begun()
    stage.update(tools=[replace(LOOK, input_schema=orjson.dumps(schema))])
    stage.call(arguments='{"n": "x"}')
    assert [run.input for run in stage.all(e.RunTool)] == [b'{"n": "x"}']


def test_only_what_is_in_force_may_be_called() -> None:
    stage = begun()
    stage.update(tools=[TALK])
    stage.call("a", "look")
    stage.call("b", "talk", "{}")
    assert [run.call_id for run in stage.all(e.RunTool)] == ["b"]
    assert [data["call_id"] for data in stage.logged("tool.refused")] == ["a"]


# --- when the model goes on ---


@pytest.mark.parametrize("order", [("done", "a", "b"), ("a", "done", "b"), ("b", "a", "done")])
def test_two_calls_have_two_outputs_and_the_model_goes_on_once(order: tuple[str, ...]) -> None:
    stage = begun()
    stage.call("a")
    stage.call("b")
    for step in order:
        assert stage.asks() == 0
        if step == "done":
            stage.done()
        else:
            stage.finish(step, f'"{step}"'.encode())
    assert stage.asks() == 1
    assert sorted(stage.outputs()) == ['"a"', '"b"']
    # The outputs are with the model before it is asked.
    assert stage.effects[-1] == e.Send(command=stage.asked())
    stage.wait(300)
    assert stage.asks() == 1


def test_a_call_that_runs_and_one_that_does_not_are_answered_together() -> None:
    stage = begun()
    stage.call("a")
    stage.call("b", "steal")
    stage.done()
    assert stage.asks() == 0
    stage.finish("a")
    assert stage.asks() == 1


def test_the_model_goes_on_after_what_else_is_said() -> None:
    stage = begun()
    stage.call()
    stage.done()
    stage.tell(p.SpeechBegun(response_id="resp-2"))
    stage.finish()
    assert stage.asks() == 0
    stage.done("resp-2")
    assert stage.asks() == 1


def test_a_call_of_a_response_that_is_given_up_is_still_answered() -> None:
    stage = begun()
    stage.call()
    stage.wait(30)
    assert stage.asks() == 0
    stage.finish()
    assert stage.asks() == 1


# --- barge-in ---


def speaking_and_calling(**declared: Any) -> Stage:
    stage = begun(tool_options=(ToolOption(tool="look", cancel_on_interrupt=True),), **declared)
    stage.tell(p.PlaybackStarted(response_id="resp-1"))
    stage.call("a", "look")
    stage.call("b", "talk", "{}")
    stage.done(has_audio=True)
    return stage


def test_the_users_speech_cancels_what_is_declared_to_be_cancelled() -> None:
    stage = speaking_and_calling()
    stage.tell(p.SpeechStarted(item_id="u", at_ms=0), p.PlaybackCleared(response_id="resp-1"))
    assert stage.all(e.CancelTool) == [e.CancelTool(call_id="a")]


def test_a_cut_of_the_agents_speech_cancels_what_is_declared_to_be_cancelled() -> None:
    stage = speaking_and_calling()
    stage.tell(p.PlaybackCleared(response_id="resp-1"), p.SpeechStarted(item_id="u", at_ms=0))
    assert stage.all(e.CancelTool) == [e.CancelTool(call_id="a")]


def test_the_users_speech_in_silence_cancels_nothing() -> None:
    stage = speaking_and_calling()
    stage.tell(p.PlaybackStopped(response_id="resp-1"), p.SpeechStarted(item_id="u", at_ms=0))
    assert not stage.all(e.CancelTool)


def test_speech_that_does_not_interrupt_cancels_nothing() -> None:
    stage = speaking_and_calling(turn_detection={"type": "server_vad", "interrupt_response": False})
    stage.tell(p.SpeechStarted(item_id="u", at_ms=0))
    assert not stage.all(e.CancelTool)


def test_a_tool_that_has_ended_is_not_cancelled() -> None:
    stage = speaking_and_calling()
    stage.finish("a")
    stage.tell(p.SpeechStarted(item_id="u", at_ms=0))
    assert not stage.all(e.CancelTool)


# --- another provider call ---


def test_a_tool_of_an_earlier_provider_call_has_no_output_in_the_next() -> None:
    stage = begun()
    stage.call()
    stage.done()
    stage.link("call_2")
    stage.tell(p.Configured(matches=True))
    stage.start_tool()
    stage.finish()
    assert stage.one("tool.finished")["status"] == "succeeded"
    assert not stage.outputs()
    assert stage.asks() == 0
    assert stage.conversation.book.find("call-1") is None


def test_the_same_call_id_in_another_provider_call_is_another_call() -> None:
    assert output_item_id("call_1", "a") != output_item_id("call_2", "a")
    assert output_item_id("call_1", "a") == output_item_id("call_1", "a")
    assert len(output_item_id("call_1", "a" * 500)) <= 32


def test_a_tool_without_a_schema_is_offered_as_taking_an_object() -> None:
    stage = Stage(Leader.PROVIDER)
    stage.update(tools=[Tool(entry="t", name="t", target="shop.t", input_schema=b"")])
    (spec,) = stage.conversation.configuration.tools
    assert spec.input_schema == {"type": "object", "properties": {}}
