"""What clients may ask of the simulator, and what they may not."""

from __future__ import annotations

from typing import Any

import pytest
from unit.simulator.stage import Stage, error_of, kinds, one
from unit.simulator.words import COMMITTED, TRANSCRIBED, conforms

from agentfield.simulator import Reply, Script

pytestmark = pytest.mark.unit


def user_text(text: str) -> dict[str, Any]:
    content = [{"type": "input_text", "text": text}]
    return {"type": "message", "role": "user", "content": content}


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
