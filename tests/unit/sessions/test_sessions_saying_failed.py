"""What is to be said and is not: failures, silence, and a provider that is busy."""

from __future__ import annotations

import pytest
from unit.sessions.stage import Stage
from unit.sessions.texts import (
    BUSY,
    DONE,
    ITEM,
    RESP,
    SAID,
    TEXT,
    playing,
    saying,
)

from agentfield.sessions import provider as p
from agentfield.sessions.leading import Leader

pytestmark = pytest.mark.unit


# --- failed, or nobody knows ---


def test_a_response_fails() -> None:
    stage = saying()
    stage.done(status="failed", error_code="rate_limit", error_message="Too many.")
    assert stage.spoken().outcome == "failed"
    assert stage.one("response.done")["error"] == {"code": "rate_limit", "message": "Too many."}


def test_what_failed_is_not_played_to_its_end() -> None:
    stage = saying()
    stage.tell(SAID)
    stage.done(status="failed", has_audio=True)
    assert stage.spoken().outcome == "failed"
    assert stage.spoken().heard_text == ""


def test_the_provider_refuses_a_text_for_good() -> None:
    stage = Stage()
    stage.say("One.", "first")
    stage.say("Two.", "second")
    stage.tell(p.Failed(code="bad", message="No.", command_id="other"))
    assert stage.resolved("first") is None
    stage.tell(p.Failed(code="bad", message="No.", command_id="cmd_1"))
    assert stage.spoken("first").outcome == "failed"
    assert stage.asked().say == "Two."
    assert len(stage.logged("provider.error")) == 2


def test_a_text_whose_begin_does_not_come_is_given_up_and_never_sent_again() -> None:
    stage = Stage()
    stage.say("One.")
    stage.wait(17.9)
    assert stage.resolved("say") is None
    stage.wait(0.1)  # three times a second, and 15
    assert stage.spoken().outcome == "unknown"
    stage.wait(300)
    assert stage.asks() == 1
    assert stage.is_quiet()


def test_a_long_text_that_does_not_begin_is_given_up_after_the_time_of_a_stall() -> None:
    stage = Stage()
    stage.say("word " * 200)
    stage.wait(29.9)
    assert stage.resolved("say") is None
    stage.wait(0.1)
    assert stage.spoken().outcome == "unknown"


def test_a_text_that_was_given_up_is_not_spoken_after_all() -> None:
    stage = Stage()
    stage.say("One.")
    stage.wait(20)
    stage.begin()
    assert stage.sent(p.CancelSpeech) == [p.CancelSpeech(response_id=RESP)]
    assert stage.spoken().outcome == "unknown"


def test_a_text_has_a_deadline_though_the_provider_is_alive() -> None:
    stage = saying("One.")
    for _ in range(40):
        stage.wait(0.5)
        stage.tell(p.AgentDelta(response_id=RESP, item_id=ITEM, delta="x"))
    assert stage.spoken().outcome == "unknown"
    assert stage.sent(p.CancelSpeech) == [p.CancelSpeech(response_id=RESP)]


def test_playback_whose_end_is_not_told_is_given_up() -> None:
    stage = playing()
    stage.tell(SAID, DONE)
    stage.wait(60)
    spoken = stage.spoken()
    assert (spoken.outcome, spoken.estimated, spoken.heard_text) == ("unknown", True, TEXT)
    assert not stage.sent(p.CancelSpeech)
    assert stage.is_quiet()


def test_what_stalls_makes_room_for_the_next() -> None:
    stage = Stage(Leader.PROVIDER)
    stage.tell(p.SpeechBegun(response_id="foreign"))
    stage.say("One.")
    stage.wait(29)
    assert stage.asks() == 0
    stage.wait(1)
    assert stage.sent(p.CancelSpeech) == [p.CancelSpeech(response_id="foreign")]
    assert stage.asks() == 1


def test_the_end_of_something_that_was_never_heard_of_blocks_nothing() -> None:
    stage = Stage()
    stage.tell(p.PlaybackStopped(response_id="before"), p.PlaybackCleared(response_id="before"))
    stage.say("One.")
    assert stage.asks() == 1


# --- a busy provider ---


@pytest.mark.parametrize("command_id", ["cmd_1", ""])
def test_a_busy_provider_is_asked_again_when_it_is_done(command_id: str) -> None:
    stage = Stage()
    stage.say("One.")
    stage.tell(
        p.SpeechBegun(response_id="foreign"),
        p.Failed(code="busy", message="", command_id=command_id, busy=True),
    )
    stage.wait(5)
    assert stage.asks() == 1
    stage.tell(p.SpeechDone(response_id="foreign", status="cancelled"))
    assert stage.asks() == 2
    assert stage.sent(p.CreateSpeech)[0] == stage.sent(p.CreateSpeech)[1]
    stage.begin()
    stage.speak("One.")
    assert stage.spoken().outcome == "completed"
    assert not stage.logged("provider.error")


def test_a_provider_that_is_done_soon_is_asked_again_at_once() -> None:
    stage = Stage()
    stage.say("One.")
    stage.tell(BUSY)
    stage.wait(0.1)
    stage.tell(p.SpeechDone(response_id="foreign"))
    assert stage.asks() == 2


def test_a_provider_that_is_busy_with_what_nobody_knows_is_asked_again_soon() -> None:
    stage = Stage()
    stage.say("One.")
    stage.tell(BUSY)
    stage.wait(0.24)
    assert stage.asks() == 1
    stage.wait(0.01)
    assert stage.asks() == 2


def test_what_was_refused_goes_before_what_came_later() -> None:
    stage = Stage()
    stage.say("One.", "first")
    stage.say("Two.", "second")
    stage.tell(BUSY)
    stage.wait(1)
    assert [command.say for command in stage.sent(p.CreateSpeech)] == ["One.", "One."]


def test_a_provider_that_is_always_busy_is_given_up() -> None:
    stage = Stage()
    stage.say("One.")
    for _ in range(80):
        stage.tell(BUSY)
        stage.wait(0.25)
    assert stage.spoken().outcome == "unknown"
    asks = stage.asks()
    stage.wait(60)
    assert stage.asks() == asks


def test_what_is_given_up_while_it_waits_is_not_sent_again() -> None:
    stage = Stage()
    stage.say("One.")
    stage.wait(17.9)
    stage.tell(BUSY)
    stage.wait(60)
    assert stage.spoken().outcome == "unknown"
    assert stage.asks() == 1


def test_being_busy_is_never_shown() -> None:
    stage = Stage()
    stage.tell(p.Failed(code="busy", message="", busy=True))
    assert not stage.logged("provider.error")
    stage.say("One.")
    stage.tell(p.Failed(code="busy", message="", command_id="clients", busy=True))
    assert not stage.logged("provider.error")
    stage.begin()
    stage.speak("One.")
    assert stage.asks() == 1
