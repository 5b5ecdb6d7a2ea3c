"""What the model does with ears, a mind and a mouth, event by event, in virtual time."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from unit.simulator.played import Play, sound
from unit.simulator.stage import Stage, kinds, one
from unit.simulator.words import COMMITTED, SPOKEN, TRANSCRIBED, conforms

from agentfield.simulator import Call, Reply, Script
from agentfield.simulator.effects import Forget, Speak, Think, Transcribe
from agentfield.simulator.outcomes import Decided, Transcribed
from agentfield.simulator.senses import Abilities, Thought, Tool

pytestmark = pytest.mark.unit
TRANSCRIPTION = "conversation.item.input_audio_transcription"
SAY = {"response": {"instructions": 'Say exactly: "It rains."'}}


def test_what_is_said_is_understood_then_thought_about_then_spoken() -> None:
    play = Play()
    play.stage.speak()
    assert kinds(play.events) == [*COMMITTED, "response.created"]
    assert kinds(play.hears("Hello there.")) == [
        f"{TRANSCRIPTION}.delta",
        f"{TRANSCRIPTION}.completed",
    ]
    assert play.thinks("One. Two.") != []
    assert play.asked(Speak).text == "One. Two."
    play.speaks(sound("One. ", 400), sound("Two.", 600), None)
    play.stage.wait(2000)
    without = [each for each in play.events if not each["type"].startswith(TRANSCRIPTION)]
    once = [kind for number, kind in enumerate(SPOKEN) if kind not in SPOKEN[:number]]
    assert list(dict.fromkeys(kinds(without)[len(COMMITTED) :])) == once
    assert one(play.events, f"{TRANSCRIPTION}.completed")["transcript"] == "Hello there."
    said = one(play.events, "response.output_audio_transcript.done")["transcript"]
    assert said == "One. Two."
    deltas = [e["delta"] for e in play.events if e["type"].endswith("_transcript.delta")]
    assert "".join(deltas) == said
    assert conforms(play.stage)


def test_a_mind_is_told_everything_even_if_no_transcript_was_asked_for() -> None:
    play = Play(instructions="Be brief.", audio={"input": {"transcription": None}})
    play.answered("It rains.")
    play.speaks(sound("It rains."), None)
    play.stage.wait(2000)
    play.stage.speak()
    assert play.hears("And tomorrow?") == []
    thought: Thought = play.asked(Think).thought
    assert thought.instructions == "Be brief."
    assert thought.tools == [
        Tool(
            name="get_weather",
            description="The weather of a city",
            parameters={"type": "object"},
        )
    ]
    assert thought.must_call is None
    told = [(item["role"], item["content"][0]["transcript"]) for item in thought.items]
    assert told == [
        ("user", "What is the weather?"),
        ("assistant", "It rains."),
        ("user", "And tomorrow?"),
    ]
    assert "transcript" not in str([e for e in play.events if "transcription" in e["type"]])


@pytest.mark.parametrize(
    ("choice", "tools", "must_call"),
    [
        ("auto", ["get_weather"], None),
        ("none", [], None),
        ("required", ["get_weather"], ""),
        ({"type": "function", "name": "get_weather"}, ["get_weather"], "get_weather"),
    ],
)
def test_a_mind_is_told_which_tools_it_may_and_must_call(
    choice: Any, tools: list[str], must_call: str | None
) -> None:
    for session, response in (({"tool_choice": choice}, {}), ({}, {"tool_choice": choice})):
        play = Play(**session)
        play.stage.send("response.create", response=response)
        thought: Thought = play.asked(Think).thought
        assert [tool.name for tool in thought.tools] == tools
        assert thought.must_call == must_call


def test_a_request_may_bring_tools_of_its_own() -> None:
    play = Play()
    tools = [{"type": "function", "name": "wave"}, {"type": "mcp", "server_label": "x"}]
    play.stage.send("response.create", response={"tools": tools})
    assert play.asked(Think).thought.tools == [Tool(name="wave", description="", parameters={})]
    play.thinks("Hm.")
    (error,) = play.stage.send(
        "response.create", response={"conversation": "none", "tools": [{"type": "function"}]}
    )
    assert error["error"]["param"] == "response.tools[0].name"


def test_a_function_is_called_and_its_output_is_thought_about() -> None:
    play = Play()
    play.stage.speak()
    play.hears("What is the weather in Oslo?")
    events = play.thinks("", Call(name="get_weather", arguments={"city": "Oslo"}))
    called = one(events, "response.function_call_arguments.done")
    assert called["arguments"] == '{"city": "Oslo"}'
    assert one(events, "response.done")["response"]["status"] == "completed"
    output = {"type": "function_call_output", "call_id": called["call_id"], "output": "rain"}
    play.stage.send("conversation.item.create", item=output)
    play.stage.send("response.create")
    newest = play.asked(Think).thought.items[-1]
    assert (newest["type"], newest["output"]) == ("function_call_output", "rain")
    assert conforms(play.stage)


def test_a_request_of_its_own_is_spoken_without_a_thought() -> None:
    play = Play(audio={"output": {"voice": "marin"}})
    play.stage.send("response.create", **SAY)
    assert play.stage.errands == [
        Speak(response_id=play.asked(Speak).response_id, text="It rains.", voice="marin")
    ]


def test_a_request_may_choose_a_voice_and_a_voice_may_be_an_id() -> None:
    play = Play()
    audio = {"output": {"voice": {"id": "voice_7"}}}
    play.stage.send("response.create", response=SAY["response"] | {"audio": audio})
    assert play.asked(Speak).voice == "voice_7"


def test_what_is_answered_in_text_is_not_spoken() -> None:
    play = Play(output_modalities=["text"])
    play.stage.send("response.create")
    assert one(play.thinks("It rains."), "response.output_text.done")["text"] == "It rains."
    assert Speak not in {type(each) for each in play.stage.errands}


def test_noise_gets_an_empty_transcript_and_no_answer() -> None:
    play = Play()
    play.stage.speak()
    events = play.hears("")
    assert one(events, f"{TRANSCRIPTION}.completed")["transcript"] == ""
    response = one(events, "response.done")["response"]
    assert (response["status"], response["output"]) == ("completed", [])
    assert [type(each) for each in play.stage.errands] == [Transcribe]
    assert conforms(play.stage)


def test_a_client_that_asks_for_an_answer_gets_one_whatever_was_heard() -> None:
    play = Play(audio={"input": {"turn_detection": None}})
    play.stage.conversation.hears(200)
    play.stage.send("input_audio_buffer.commit")
    play.stage.send("response.create")
    play.hears("")
    assert play.asked(Think).thought.items[-1]["content"][0]["transcript"] == ""


def test_an_utterance_that_cannot_be_understood_fails_and_so_does_its_answer() -> None:
    play = Play()
    play.stage.speak()
    events = play.hears(None)
    assert kinds(events)[0] == f"{TRANSCRIPTION}.failed"
    assert one(events, "response.done")["response"]["status"] == "failed"
    play.answered()
    play.speaks(sound("It rains."), None)
    assert conforms(play.stage)


def test_an_answer_waits_for_all_that_was_said_unless_it_is_deleted() -> None:
    play = Play(audio={"input": {"turn_detection": None}})
    for _ in range(2):
        play.stage.conversation.hears(200)
        play.stage.send("input_audio_buffer.commit")
    first, second = [each for each in play.stage.errands if isinstance(each, Transcribe)]
    play.stage.send("response.create")
    play.stage.comes(Transcribed(item_id=second.item_id, text="Second."))
    assert play.stage.errands == [first, second]
    play.stage.send("conversation.item.delete", item_id=first.item_id)
    assert play.asked(Think).thought.items[0]["content"][0]["transcript"] == "Second."
    assert play.stage.comes(Transcribed(item_id=first.item_id, text="First.")) == []


def test_a_language_that_the_session_names_is_listened_for() -> None:
    transcription = {"model": "whisper-1", "language": "en"}
    play = Play(audio={"input": {"transcription": transcription}})
    play.stage.speak()
    assert play.asked(Transcribe).language == "en"
    assert one(play.hears("Hi."), f"{TRANSCRIPTION}.completed")["usage"] == {
        "type": "duration",
        "seconds": 1,
    }


def test_what_is_cleared_is_forgotten() -> None:
    play = Play()
    play.stage.send("input_audio_buffer.clear")
    assert play.stage.errands == [Forget()]


def test_over_a_websocket_the_audio_is_what_the_mouth_made() -> None:
    play = Play(plays_audio=False)
    play.stage.send("response.create", **SAY)
    events = play.speaks(sound("It ", 250), sound("rains.", 120), None)
    audio = b"".join(
        base64.b64decode(each["delta"])
        for each in events
        if each["type"] == "response.output_audio.delta"
    )
    assert audio == b"I" * 250 * 48 + b"r" * 120 * 48
    item_id = one(events, "response.output_audio.done")["item_id"]
    too_far = {"item_id": item_id, "content_index": 0, "audio_end_ms": 371}
    (refused,) = play.stage.send("conversation.item.truncate", **too_far)
    assert "370ms" in refused["error"]["message"]
    (truncated,) = play.stage.send("conversation.item.truncate", **too_far | {"audio_end_ms": 200})
    assert truncated["type"] == "conversation.item.truncated"
    assert conforms(play.stage)


def test_playback_begins_with_the_first_piece_and_ends_with_the_last() -> None:
    play = Play()
    play.answered("One. Two.")
    events = play.speaks(sound("One. ", 400))
    assert kinds(events)[-1] == "output_audio_buffer.started"
    play.speaks(sound("Two.", 600), None)
    assert play.stage.played == [b"One. "] * 20 + [b"Two."] * 30
    assert play.stage.wait(990) == []
    assert kinds(play.stage.wait(20)) == ["output_audio_buffer.stopped"]


def test_a_piece_that_is_late_lengthens_the_playback() -> None:
    play = Play()
    play.answered("One. Two.")
    play.speaks(sound("One. ", 400))
    assert play.stage.wait(1000) == []
    play.speaks(sound("Two.", 600), None)
    assert play.stage.wait(590) == []
    assert kinds(play.stage.wait(20)) == ["output_audio_buffer.stopped"]


def test_the_end_of_speech_is_not_cut_off() -> None:
    play = Play()
    play.answered()
    play.speaks(sound("It rains.", 400), None)
    assert kinds(play.stage.wait(500)) == ["output_audio_buffer.stopped"]
    assert play.stage.audible


def test_one_answer_is_played_after_the_other() -> None:
    play = Play()
    play.stage.send("response.create", **SAY)
    play.speaks(sound("It rains.", 400), None)
    play.stage.send("response.create", **SAY)
    play.speaks(sound("Still.", 600), None)
    assert play.stage.played == [b"It rains."] * 20
    assert kinds(play.stage.wait(500)) == [
        "output_audio_buffer.stopped",
        "output_audio_buffer.started",
    ]
    assert play.stage.played == [b"It rains."] * 20 + [b"Still."] * 30
    assert kinds(play.stage.wait(600)) == ["output_audio_buffer.stopped"]


def test_the_script_stands_in_for_what_is_not_given() -> None:
    hears = Stage(Script(replies=["It rains."]), abilities=Abilities(hears=True), **TRANSCRIBED)
    hears.speak()
    (asked,) = hears.errands
    assert isinstance(asked, Transcribe)
    hears.comes(Transcribed(item_id=asked.item_id, text="Hello."))
    hears.wait(2000)
    said = one(hears.events, "response.output_audio_transcript.done")
    assert said["transcript"] == "It rains."
    thinks = Stage(Script(heard=["Why?"]), abilities=Abilities(thinks=True))
    thinks.speak()
    (thought,) = thinks.errands
    assert isinstance(thought, Think)
    thinks.comes(Decided(response_id=thought.response_id, reply=Reply(says="Because.")))
    thinks.wait(2000)
    said = one(thinks.events, "response.output_audio_transcript.done")
    assert said["transcript"] == "Because."


def test_usage_counts_words_and_how_long_was_heard_and_spoken() -> None:
    play = Play(instructions="Be brief.")
    play.answered("It rains.")
    play.speaks(sound("It rains."), None)
    first = one(play.events, "response.done")["response"]["usage"]
    assert first["input_token_details"]["text_tokens"] == 2
    assert first["input_token_details"]["audio_tokens"] == 500 // 100
    assert first["output_token_details"] == {"text_tokens": 2, "audio_tokens": 1000 // 50}
    assert first["total_tokens"] == 2 + 5 + 2 + 20
    play.stage.wait(2000)
    before = len(play.events)
    play.stage.send(
        "response.create", response={"conversation": "none", "output_modalities": ["text"]}
    )
    play.thinks("So it does.")
    again = one(play.events[before:], "response.done")["response"]["usage"]
    assert again["input_token_details"]["text_tokens"] == 4
    assert again["total_tokens"] == again["input_tokens"] + again["output_tokens"]
