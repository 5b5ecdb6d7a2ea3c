"""The local mind chooses tools by words, fills arguments by schema and asks for what it lacks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import voice_agent
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from agentfield.simulator.mind import LocalMind
from agentfield.simulator.script import Call, Reply
from agentfield.simulator.senses import Thought, Tool
from bench import mind as bench

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
SETS = yaml.safe_load(bench.FILE.read_text())

TIMER = Tool(
    name="start_timer",
    description="Start a timer.",
    parameters={
        "type": "object",
        "properties": {
            "minutes": {"type": "integer", "minimum": 1, "description": "How many minutes"},
            "sound": {"type": "string", "enum": ["bell", "birds"], "description": "Which sound"},
        },
        "required": ["minutes", "sound"],
    },
)
LIGHTS = Tool(name="lights_out", description="Turn all lights out.", parameters={})


def said(text: str) -> Mapping[str, Any]:
    content = [{"type": "input_audio", "transcript": text}]
    return {"type": "message", "role": "user", "content": content}


def answered(text: str) -> Mapping[str, Any]:
    content = [{"type": "output_audio", "transcript": text}]
    return {"type": "message", "role": "assistant", "content": content}


def called(name: str, call_id: str = "call_1") -> Mapping[str, Any]:
    return {"type": "function_call", "name": name, "call_id": call_id, "arguments": "{}"}


def returned(output: Any, call_id: str = "call_1") -> Mapping[str, Any]:
    text = output if isinstance(output, str) else json.dumps(output)
    return {"type": "function_call_output", "call_id": call_id, "output": text}


async def decide(
    *items: Mapping[str, Any], tools: Sequence[Tool] = (TIMER, LIGHTS), must_call: str | None = None
) -> Reply:
    thought = Thought(instructions="", tools=tools, must_call=must_call, items=items)
    return await LocalMind().reply(thought)


async def test_the_first_example_answers_whatever_the_caller_says() -> None:
    function = voice_agent.app._functions["resolve_voice_turn"]
    tool = Tool(
        name="resolve_voice_turn",
        description=function.description,
        parameters=json.loads(function.input_schema),
    )
    reply = await decide(said("And my lamp?"), tools=[tool])
    arguments = {"turn": {"text": "And my lamp?"}}
    assert reply == Reply(calls=[Call(name="resolve_voice_turn", arguments=arguments)])


async def test_a_question_is_asked_for_each_thing_that_is_missing_and_its_answer_is_taken() -> None:
    talk = [said("start a timer please")]
    first = await decide(*talk)
    assert first == Reply(says="How many minutes?")
    talk += [answered(first.says), said("uh twenty")]
    second = await decide(*talk)
    assert second == Reply(says="Which sound: bell or birds?")
    talk += [answered(second.says), said("the birds")]
    arguments = {"minutes": 20, "sound": "birds"}
    assert await decide(*talk) == Reply(calls=[Call(name="start_timer", arguments=arguments)])


async def test_the_same_conversation_gets_the_same_reply_from_any_mind() -> None:
    talk = [said("start a timer"), answered("How many minutes?"), said("seven, with a bell")]
    assert await decide(*talk) == await decide(*talk)
    assert (await decide(*talk)).calls


async def test_a_question_that_was_cut_off_is_still_a_question() -> None:
    reply = await decide(said("start a timer with birds"), answered("How many"), said("three"))
    assert [call.arguments for call in reply.calls] == [{"minutes": 3, "sound": "birds"}]


async def test_who_stops_in_the_middle_of_a_sentence_is_understood_as_a_whole() -> None:
    number = {"type": "integer", "description": "Which number"}
    schema = {"type": "object", "properties": {"number": number}, "required": ["number"]}
    tools = [
        Tool(name=f"{verb}_ticket", description="", parameters=schema) for verb in ("open", "close")
    ]
    first, second = said("I would like to close"), said("the ticket please")
    assert not (await decide(second, tools=tools)).says.endswith("Which number?")
    asked = await decide(first, second, tools=tools)
    assert asked == Reply(says="Which number?")
    reply = await decide(first, second, answered(asked.says), said("nine"), tools=tools)
    assert reply == Reply(calls=[Call(name="close_ticket", arguments={"number": 9})])


async def test_a_result_that_nobody_heard_a_word_of_is_told_again() -> None:
    items = [said("lights out"), called("lights_out"), returned("It is dark."), answered("")]
    assert await decide(*items, said("Hello?")) == Reply(
        says="It is dark. Hello. What can I do for you?"
    )


async def test_the_caller_may_change_the_subject() -> None:
    reply = await decide(
        said("start a timer"), answered("How many minutes?"), said("turn all the lights out first")
    )
    assert reply == Reply(calls=[Call(name="lights_out", arguments={})])


async def test_the_caller_may_let_it_be() -> None:
    asked = [said("start a timer"), answered("How many minutes?")]
    reply = await decide(*asked, said("oh never mind"))
    assert reply == Reply(says="All right, I leave it.")
    after = await decide(*asked, said("never mind"), answered(reply.says), said("twenty"))
    assert not after.calls


async def test_after_the_third_time_nothing_is_asked_again() -> None:
    talk = [said("start a timer")]
    for _ in range(3):
        reply = await decide(*talk)
        assert reply.says.endswith("How many minutes?")
        talk += [answered(reply.says), said("blue bananas")]
    assert await decide(*talk) == Reply(says="I still did not get that, so I leave it.")


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("Hello!", "Hello. What can I do for you?"),
        ("thank you very much", "You are welcome."),
        ("okay, bye bye", "Goodbye."),
        ("no thanks", "All right, I leave it."),
        ("yes, please", "All right."),
        ("how are you", "I am well. What can I do for you?"),
    ],
)
async def test_politeness_is_answered(words: str, answer: str) -> None:
    assert await decide(said(words)) == Reply(says=answer)


async def test_what_fits_nothing_is_refused_with_what_can_be_done() -> None:
    reply = await decide(said("who won the world cup"))
    abilities = "I can do this: start a timer; turn all lights out."
    assert reply == Reply(says=f"I cannot help with that. {abilities}")
    without = await decide(said("who won the world cup"), tools=[])
    assert without.says == "I cannot help with that. I have no tools here, so I can only listen."


@pytest.mark.parametrize("words", ["Hello, what can you do for me?", "help", "Who are you?"])
async def test_who_asks_what_can_be_done_is_told(words: str) -> None:
    assert await decide(said(words)) == Reply(
        says="I can do this: start a timer; turn all lights out."
    )


async def test_what_is_forbidden_is_not_done() -> None:
    assert await decide(said("Don't turn the lights out!")) == Reply(says="All right, I leave it.")


async def test_a_tool_that_must_be_called_is_called_or_asked_for() -> None:
    reply = await decide(said("who won the world cup"), must_call="lights_out")
    assert [call.name for call in reply.calls] == ["lights_out"]
    any_of_them = await decide(said("everything out"), must_call="")
    assert [call.name for call in any_of_them.calls] == ["lights_out"]
    asked = await decide(said("who won the world cup"), must_call="start_timer")
    assert asked == Reply(says="How many minutes?")


async def test_results_of_several_calls_are_all_told_and_what_was_said_meanwhile_is_answered() -> (
    None
):
    reply = await decide(
        said("turn the lights out and start a timer"),
        called("lights_out", "call_1"),
        called("start_timer", "call_2"),
        returned({"spoken_response": "It is dark."}, "call_1"),
        returned("Twenty minutes.", "call_2"),
        said("thank you"),
    )
    assert reply == Reply(says="It is dark. Twenty minutes. You are welcome.")


async def test_nothing_is_called_again_for_what_was_said_before_the_result() -> None:
    reply = await decide(said("lights out"), called("lights_out"), returned(None))
    assert reply == Reply(says="Done. There is no result to tell.")


async def test_who_is_asked_to_begin_says_hello() -> None:
    assert await decide() == Reply(says="Hello. What can I do for you?")


@given(
    tools=st.sampled_from([each["tools"] for each in SETS.values()]),
    words=st.lists(
        st.sampled_from(
            sorted(
                {
                    word
                    for each in SETS.values()
                    for row in each["rows"]
                    for turn in row.get("turns", [row])
                    for word in turn["say"].split()
                }
            )
        ),
        max_size=12,
    ),
)
async def test_arguments_are_valid_whatever_is_said(
    tools: list[dict[str, Any]], words: list[str]
) -> None:
    offered = [Tool(**tool) for tool in tools]
    for must_call in (None, ""):
        reply = await decide(said(" ".join(words)), tools=offered, must_call=must_call)
        for call in reply.calls:
            schema = next(tool.parameters for tool in offered if tool.name == call.name)
            Draft202012Validator(schema).validate(call.arguments)


async def test_the_rates_in_the_documents_are_those_that_are_measured() -> None:
    assert await bench.measure() in (ROOT / "docs/local-mind.md").read_text()


def test_every_row_names_tools_of_its_set_and_valid_arguments() -> None:
    rows = 0
    for each in SETS.values():
        assert each["half"] in bench.HALVES
        schemas = {tool["name"]: tool["parameters"] for tool in each["tools"]}
        for row in each["rows"]:
            rows += 1
            for turn in row.get("turns", [row]):
                if "call" in turn:
                    Draft202012Validator(schemas[turn["call"]]).validate(turn["with"])
                elif "asks" in turn:
                    assert turn["asks"].rpartition(".")[0] in schemas
                else:
                    assert turn["none"] is True
    assert rows > 200
