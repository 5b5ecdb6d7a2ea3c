"""How the simulated model is interrupted, cancelled, silenced, and breaks off."""

from __future__ import annotations

from typing import Any

import pytest
from unit.simulator.stage import Stage, kinds, one
from unit.simulator.words import COMMITTED, conforms

from agentfield.simulator import Reply, Script

pytestmark = pytest.mark.unit


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
