"""What the simulated model does, event by event, in virtual time."""

from __future__ import annotations

import pytest
from unit.simulator.stage import Stage, kinds, one
from unit.simulator.words import COMMITTED, SPOKEN, TRANSCRIBED, conforms

from agentfield.simulator import Call, Heard, Reply, Script

pytestmark = pytest.mark.unit


def test_speech_is_answered_in_the_recorded_order() -> None:
    stage = Stage(Script(heard=["Hi."], replies=["One two three four."]), **TRANSCRIBED)
    stage.speak()
    stage.wait(5000)
    transcript = "conversation.item.input_audio_transcription."
    without_transcript = [e for e in stage.events if not e["type"].startswith(transcript)]
    assert kinds(without_transcript) == COMMITTED + SPOKEN
    assert one(stage.events, f"{transcript}completed")["transcript"] == "Hi."
    assert conforms(stage)


def test_items_are_linked_as_they_are_added() -> None:
    stage = Stage(Script(replies=["Hello."]))
    stage.speak()
    stage.wait(5000)
    user, model = [e for e in stage.events if e["type"] == "conversation.item.added"]
    assert user["previous_item_id"] is None
    assert model["previous_item_id"] == user["item"]["id"]


def test_playback_ends_when_the_speech_has_lasted_its_time() -> None:
    stage = Stage(Script(replies=[Reply(says="One two.", speaks_ms=2000)]))
    stage.speak()
    stage.wait(1900)
    assert stage.audible
    assert "response.done" in kinds(stage.events)
    assert "output_audio_buffer.stopped" not in kinds(stage.events)
    stage.wait(200)
    assert not stage.audible
    assert kinds(stage.events)[-1] == "output_audio_buffer.stopped"


def test_what_is_said_next_is_played_after_what_is_being_said() -> None:
    script = Script(
        replies=[Reply(says="One.", speaks_ms=1000), Reply(says="Two.", speaks_ms=1000)]
    )
    stage = Stage(script)
    stage.send("response.create")
    stage.wait(100)
    stage.send("response.create")
    stage.wait(5000)
    playing = [e["type"] for e in stage.events if e["type"].startswith("output_audio_buffer")]
    assert playing == ["output_audio_buffer.started", "output_audio_buffer.stopped"] * 2


def test_a_response_may_speak_and_call_several_functions() -> None:
    calls = [Call(name="a", arguments={"x": 1}), Call(name="unheard of", arguments="{oops")]
    stage = Stage(Script(replies=[Reply(says="Wait.", calls=calls)]))
    stage.send("response.create")
    stage.wait(5000)
    done = one(stage.events, "response.done")["response"]
    assert [item["type"] for item in done["output"]] == ["message"] + ["function_call"] * 2
    arguments = [
        event["arguments"]
        for event in stage.events
        if event["type"] == "response.function_call_arguments.done"
    ]
    assert arguments == ['{"x": 1}', "{oops"]
    assert len({item["call_id"] for item in done["output"][1:]}) == 2
    assert conforms(stage)


def test_a_function_output_is_answered_like_what_the_caller_says() -> None:
    stage = Stage(Script(replies=[Reply(calls=[Call(name="a")]), Reply(when="foggy", says="Fog.")]))
    stage.send("response.create")
    stage.wait(1000)
    call_id = one(stage.events, "response.function_call_arguments.done")["call_id"]
    output = {"type": "function_call_output", "call_id": call_id, "output": "foggy"}
    stage.send("conversation.item.create", item=output)
    stage.send("response.create")
    stage.wait(5000)
    assert one(stage.events, "response.output_audio_transcript.done")["transcript"] == "Fog."


def test_outputs_of_several_functions_are_answered_together() -> None:
    calls = [Call(name="a"), Call(name="b")]
    stage = Stage(Script(replies=[Reply(calls=calls), Reply(when=r"fog\nrain", says="Wet fog.")]))
    stage.send("response.create")
    stage.wait(1000)
    done = "response.function_call_arguments.done"
    ids = [event["call_id"] for event in stage.events if event["type"] == done]
    for call_id, output in zip(ids, ("fog", "rain"), strict=True):
        item = {"type": "function_call_output", "call_id": call_id, "output": output}
        stage.send("conversation.item.create", item=item)
    stage.send("response.create")
    stage.wait(5000)
    said = one(stage.events, "response.output_audio_transcript.done")
    assert said["transcript"] == "Wet fog."


def test_a_model_without_words_to_answer_says_hello() -> None:
    stage = Stage(Script())
    stage.send("response.create")
    stage.wait(5000)
    said = one(stage.events, "response.output_audio_transcript.done")
    assert said["transcript"] == "Hello."


def test_a_request_to_say_something_is_obeyed_and_uses_up_no_reply() -> None:
    stage = Stage(Script(replies=["From the script."]))
    instructions = 'Say exactly this and nothing else: "Your order is here."'
    stage.send(
        "response.create", response={"instructions": instructions, "metadata": {"command": "7"}}
    )
    stage.wait(5000)
    stage.send("response.create")
    stage.wait(5000)
    said = [
        e["transcript"]
        for e in stage.events
        if e["type"] == "response.output_audio_transcript.done"
    ]
    assert said == ["Your order is here.", "From the script."]
    created = next(e for e in stage.events if e["type"] == "response.created")
    assert created["response"]["metadata"] == {"command": "7"}


def test_a_request_to_say_something_may_be_disobeyed() -> None:
    stage = Stage(Script(replies=[Reply(when="order", says="Something else.")]))
    item = {
        "type": "message",
        "role": "system",
        "content": [{"type": "input_text", "text": 'Say "Your order is here."'}],
    }
    stage.send("response.create", response={"input": [item]})
    stage.wait(5000)
    done = one(stage.events, "response.output_audio_transcript.done")
    assert done["transcript"] == "Something else."


def test_nothing_is_called_when_the_request_forbids_it() -> None:
    stage = Stage(Script(replies=[Reply(says="Hm.", calls=[Call(name="a")])]))
    stage.send("response.create", response={"tool_choice": "none"})
    stage.wait(5000)
    assert [i["type"] for i in one(stage.events, "response.done")["response"]["output"]] == [
        "message"
    ]


def test_an_out_of_band_response_leaves_the_conversation_alone() -> None:
    stage = Stage(Script(replies=[Reply(says="Slow words come", word_ms=500), "Aside."]))
    stage.send("response.create")
    response = {"conversation": "none", "output_modalities": ["text"]}
    aside = stage.send("response.create", response=response)
    aside += stage.wait(100)
    assert one(aside, "response.created")["response"]["conversation_id"] is None
    assert one(aside, "response.output_text.done")["text"] == "Aside."
    assert "conversation.item.added" not in kinds(aside)
    assert conforms(stage)


@pytest.mark.parametrize("heard", [Heard(text="Hi.", after_ms=4000), Heard(text="Hi.")])
def test_a_transcript_comes_when_the_script_says(heard: Heard) -> None:
    stage = Stage(Script(replies=["Hello."]), **TRANSCRIBED)
    stage.speak(heard)
    kind = "conversation.item.input_audio_transcription.completed"
    stage.wait(heard.after_ms - 1)
    assert kind not in kinds(stage.events)
    stage.wait(1)
    assert kind in kinds(stage.events)


def test_a_transcript_may_fail_or_never_come_and_is_answered_still() -> None:
    script = Script(
        heard=[
            Heard(text="Hi.", transcript="failed"),
            Heard(text="Weather?", transcript="never"),
        ],
        replies=[Reply(when="Hi", says="A."), Reply(when="Weather", says="B.")],
    )
    stage = Stage(script, **TRANSCRIBED)
    stage.speak()
    stage.wait(5000)
    stage.speak()
    stage.wait(5000)
    transcripts = [e["type"] for e in stage.events if "input_audio_transcription" in e["type"]]
    assert transcripts == ["conversation.item.input_audio_transcription.failed"]
    said = [
        e["transcript"]
        for e in stage.events
        if e["type"] == "response.output_audio_transcript.done"
    ]
    assert said == ["A.", "B."]
    assert conforms(stage)


def test_nothing_is_transcribed_unless_the_session_asks_for_it() -> None:
    stage = Stage(Script(heard=["Hi."], replies=["Hello."]))
    stage.speak()
    stage.wait(5000)
    assert not [e for e in stage.events if "input_audio_transcription" in e["type"]]
