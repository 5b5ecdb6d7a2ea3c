"""What the simulated model does, event by event, in virtual time."""

from __future__ import annotations

from typing import Any

import pytest
from unit.simulator.stage import Stage, error_of, kinds, one

from agentfield.simulator import Call, Entry, Heard, Reply, Script
from agentfield.simulator.conformance import violations

pytestmark = pytest.mark.unit

TRANSCRIBED: dict[str, Any] = {
    "audio": {"input": {"transcription": {"model": "gpt-realtime-whisper"}}}
}
SPOKEN = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "output_audio_buffer.started",
    "response.output_audio_transcript.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
    "output_audio_buffer.stopped",
]
COMMITTED = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
]


def conforms(stage: Stage) -> bool:
    entries = [
        Entry(number=n, at=0, direction="sent", connection="unit", call_id=None, body=event)
        for n, event in enumerate(stage.events)
    ]
    assert violations(entries) == []
    return True


def user_text(text: str) -> dict[str, Any]:
    content = [{"type": "input_text", "text": text}]
    return {"type": "message", "role": "user", "content": content}


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


def test_the_model_stays_silent_without_create_response() -> None:
    detection = {"type": "server_vad", "create_response": False}
    stage = Stage(Script(replies=["A."]), audio={"input": {"turn_detection": detection}})
    stage.speak()
    stage.wait(5000)
    assert kinds(stage.events) == COMMITTED


def test_speech_cuts_off_what_is_being_said() -> None:
    stage = Stage(Script(replies=[Reply(says="One two three four.", speaks_ms=4000)]))
    stage.speak()
    stage.wait(1500)
    started = next(e for e in stage.events if e["type"] == "output_audio_buffer.started")
    events = stage.interrupt()
    assert kinds(events) == [
        "input_audio_buffer.speech_started",
        "output_audio_buffer.cleared",
        "conversation.item.truncated",
    ]
    assert one(events, "output_audio_buffer.cleared")["response_id"] == started["response_id"]
    truncated = one(events, "conversation.item.truncated")
    assert 1400 <= truncated["audio_end_ms"] <= 1500
    assert not stage.audible
    item = one(
        stage.send("conversation.item.retrieve", item_id=truncated["item_id"]),
        "conversation.item.retrieved",
    )["item"]
    assert item["content"] == [{"type": "output_audio"}]
    assert not stage.wait(5000)
    assert conforms(stage)


def test_speech_also_stops_a_response_that_is_still_being_generated() -> None:
    reply = Reply(says="One two three four five six.", speaks_ms=6000, word_ms=300)
    stage = Stage(Script(replies=[reply]))
    stage.send("response.create")
    stage.wait(1000)
    events = stage.interrupt()
    assert kinds(events) == [
        "input_audio_buffer.speech_started",
        "output_audio_buffer.cleared",
        "conversation.item.truncated",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    response = one(events, "response.done")["response"]
    assert response["status"] == "cancelled"
    assert response["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert response["output"][0]["status"] == "incomplete"
    assert (
        one(events, "response.output_audio_transcript.done")["transcript"] == "One two three four"
    )
    assert not stage.wait(9000)
    assert conforms(stage)


def test_speech_interrupts_nothing_without_interrupt_response() -> None:
    detection = {"type": "server_vad", "create_response": False, "interrupt_response": False}
    stage = Stage(
        Script(replies=[Reply(says="One two.", speaks_ms=3000)]),
        audio={"input": {"turn_detection": detection}},
    )
    stage.send("response.create")
    stage.wait(500)
    assert kinds(stage.interrupt()) == ["input_audio_buffer.speech_started"]
    assert stage.audible


def test_a_cancelled_response_is_played_as_far_as_it_was_generated() -> None:
    reply = Reply(says="One two three four five six seven.", speaks_ms=7000, word_ms=200)
    stage = Stage(Script(replies=[reply]))
    stage.send("response.create")
    stage.wait(900)
    events = stage.send("response.cancel")
    assert one(events, "response.done")["response"]["status_details"]["reason"] == (
        "client_cancelled"
    )
    assert stage.audible
    rest = stage.wait(5000)
    assert kinds(rest) == ["output_audio_buffer.stopped"]


def test_clearing_the_output_silences_it() -> None:
    stage = Stage(Script(replies=[Reply(says="One.", speaks_ms=3000)]))
    stage.send("response.create")
    stage.wait(500)
    assert kinds(stage.send("output_audio_buffer.clear")) == [
        "output_audio_buffer.cleared",
        "conversation.item.truncated",
    ]
    assert not stage.audible
    assert stage.send("output_audio_buffer.clear") == []


@pytest.mark.parametrize(
    ("ends", "details"),
    [
        ("failed", "error"),
        ("incomplete", "reason"),
    ],
)
def test_a_response_may_break_off(ends: Any, details: str) -> None:
    stage = Stage(Script(replies=[Reply(says="One two three four.", ends=ends)]))
    stage.send("response.create")
    stage.wait(9000)
    response = one(stage.events, "response.done")["response"]
    assert response["status"] == response["status_details"]["type"] == ends
    assert response["status_details"][details]
    assert response["output"][0]["content"][0]["transcript"] == "One two"
    assert conforms(stage)


def test_a_response_may_stall_until_it_is_cancelled() -> None:
    stage = Stage(Script(replies=[Reply(says="One two three four.", ends="never")]))
    stage.send("response.create")
    stage.wait(60_000)
    assert "response.done" not in kinds(stage.events)
    assert kinds(stage.send("response.cancel"))[-1] == "output_audio_buffer.stopped"
    assert conforms(stage)


def test_text_sessions_get_text() -> None:
    stage = Stage(Script(replies=["One two."]), output_modalities=["text"])
    stage.send("conversation.item.create", item=user_text("Hi."))
    stage.send("response.create")
    stage.wait(1000)
    assert kinds(stage.events) == [
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    assert conforms(stage)


def test_audio_comes_as_events_where_there_is_no_media_track() -> None:
    stage = Stage(Script(replies=["One two three."]), plays_audio=False)
    stage.send("response.create")
    stage.wait(500)
    deltas = [e for e in stage.events if e["type"] == "response.output_audio.delta"]
    assert sum(len(e["delta"]) * 3 // 4 for e in deltas) // 48 >= 14 * 60 - 1
    assert not [e for e in stage.events if e["type"].startswith("output_audio_buffer")]
    assert "response.done" in kinds(stage.events)
    assert conforms(stage)


def test_a_second_response_is_refused_while_one_is_active() -> None:
    stage = Stage(Script(replies=[Reply(says="One two.", word_ms=500)]))
    created = one(stage.send("response.create"), "response.created")
    error = error_of(stage.send("response.create", event_id="mine"))
    assert error["code"] == "conversation_already_has_active_response"
    assert created["response"]["id"] in error["message"]
    assert error["event_id"] == "mine"


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"type": "response.cancel"}, "response_cancel_not_active"),
        ({"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty"),
        ({"type": "nonsense"}, "invalid_value"),
        ({}, "invalid_event"),
        (["not an object"], "invalid_event"),
        ({"type": "conversation.item.retrieve", "item_id": "x"}, "item_retrieve_invalid_item_id"),
        ({"type": "conversation.item.delete", "item_id": "x"}, "item_delete_invalid_item_id"),
        ({"type": "conversation.item.truncate", "item_id": "x"}, "item_truncate_invalid_item_id"),
        ({"type": "response.create", "response": {"modalities": []}}, "unknown_parameter"),
        ({"type": "response.create", "response": "now"}, "invalid_type"),
        ({"type": "response.create", "response": {"input": ["Hi."]}}, "invalid_type"),
        (
            {"type": "session.update", "session": {"type": "realtime", "tools": ["a"]}},
            "invalid_type",
        ),
        ({"type": "session.update"}, "missing_required_parameter"),
        ({"type": "session.update", "session": {}}, "missing_required_parameter"),
        (
            {"type": "session.update", "session": {"type": "realtime", "modalities": []}},
            "unknown_parameter",
        ),
        (
            {"type": "session.update", "session": {"type": "realtime", "model": "other"}},
            "invalid_value",
        ),
        ({"type": "input_audio_buffer.append", "audio": "not base64!"}, "invalid_value"),
        ({"type": "conversation.item.create", "item": {"type": "x"}}, "invalid_value"),
        (
            {
                "type": "conversation.item.create",
                "item": {"type": "function_call_output", "call_id": "call_x", "output": ""},
            },
            "invalid_tool_call_id",
        ),
    ],
)
def test_mistakes_are_answered_and_the_session_goes_on(event: Any, code: str) -> None:
    stage = Stage(Script(replies=["One."]))
    (answer,) = stage._do(stage.conversation.receive(event, 0))
    assert (answer["type"], answer["error"]["code"]) == ("error", code)
    assert "response.created" in kinds(stage.send("response.create"))
    assert conforms(stage)


def test_no_more_can_be_truncated_than_there_is() -> None:
    stage = Stage(Script(replies=[Reply(says="One.", speaks_ms=900)]), plays_audio=False)
    stage.send("response.create")
    stage.wait(2000)
    item_id = one(stage.events, "conversation.item.done")["item"]["id"]
    place = {"item_id": item_id, "content_index": 0}
    error = error_of(stage.send("conversation.item.truncate", **place, audio_end_ms=901))
    assert error["message"] == "Audio content of 900ms is already shorter than 901ms"
    events = stage.send("conversation.item.truncate", **place, audio_end_ms=300)
    assert kinds(events) == ["conversation.item.truncated"]
    again = error_of(stage.send("conversation.item.truncate", **place, audio_end_ms=301))
    assert again["code"] == "invalid_value"


def test_the_voice_cannot_change_once_it_has_been_heard() -> None:
    stage = Stage(Script(replies=["One."]))
    other = {"type": "realtime", "audio": {"output": {"voice": "cedar"}}}
    assert kinds(stage.send("session.update", session=other)) == ["session.updated"]
    stage.send("response.create")
    stage.wait(2000)
    other = {"type": "realtime", "audio": {"output": {"voice": "marin"}}}
    assert error_of(stage.send("session.update", session=other))["code"] == "cannot_update_voice"


def test_an_update_changes_what_it_names_and_nothing_else() -> None:
    stage = Stage(Script(), **TRANSCRIBED)
    before = stage.conversation.session
    update = {
        "type": "realtime",
        "instructions": "Be brief.",
        "audio": {"input": {"turn_detection": {"type": "server_vad", "create_response": False}}},
    }
    session = one(stage.send("session.update", session=update), "session.updated")["session"]
    assert session["instructions"] == "Be brief."
    assert session["audio"]["output"] == before["audio"]["output"]
    assert session["audio"]["input"]["transcription"] == {
        "model": "gpt-realtime-whisper",
        "language": None,
        "prompt": None,
    }
    detection = session["audio"]["input"]["turn_detection"]
    assert (detection["create_response"], detection["silence_duration_ms"]) == (False, 200)


def test_items_go_where_they_are_put() -> None:
    stage = Stage(Script())
    stage.send("conversation.item.create", item=user_text("B") | {"id": "b"})
    first = stage.send(
        "conversation.item.create", item=user_text("A") | {"id": "a"}, previous_item_id="root"
    )
    last = stage.send(
        "conversation.item.create", item=user_text("C") | {"id": "c"}, previous_item_id="a"
    )
    assert one(first, "conversation.item.added")["previous_item_id"] is None
    assert one(last, "conversation.item.added")["previous_item_id"] == "a"
    gone = stage.send("conversation.item.delete", item_id="c")
    assert kinds(gone) == ["conversation.item.deleted"]
    error = error_of(stage.send("conversation.item.retrieve", item_id="c"))
    assert error["code"] == "item_retrieve_invalid_item_id"


def test_audio_is_committed_by_the_client_when_nobody_detects_turns() -> None:
    stage = Stage(Script(heard=["Hi."]), audio={"input": {"turn_detection": None}})
    stage.conversation.hears(300)
    assert kinds(stage.send("input_audio_buffer.commit")) == COMMITTED[2:]
    error = error_of(stage.send("input_audio_buffer.commit"))
    assert error["code"] == "input_audio_buffer_commit_empty"
    stage.conversation.hears(300)
    stage.send("input_audio_buffer.clear")
    error = error_of(stage.send("input_audio_buffer.commit"))
    assert error["code"] == "input_audio_buffer_commit_empty"


def test_a_session_expires_when_the_script_says() -> None:
    stage = Stage(Script(lasts_ms=1000))
    stage.wait(999)
    assert not stage.expired
    stage.wait(1)
    assert error_of(stage.events)["code"] == "session_expired"
    assert stage.expired


def test_a_new_script_counts_from_its_beginning() -> None:
    stage = Stage(Script(replies=["A."]))
    stage.send("response.create")
    stage.wait(2000)
    stage.script = Script(replies=["B."])
    stage.send("response.create")
    stage.wait(2000)
    said = [
        e["transcript"]
        for e in stage.events
        if e["type"] == "response.output_audio_transcript.done"
    ]
    assert said == ["A.", "B."]
