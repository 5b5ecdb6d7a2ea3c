"""What is being said and is cut: by the user, by the handler, by the client."""

from __future__ import annotations

import pytest
from unit.sessions.stage import Stage
from unit.sessions.texts import (
    BUSY,
    CLEARED,
    CUT,
    DONE,
    ITEM,
    RESP,
    SAID,
    STARTED,
    STOPPED,
    TEXT,
    playing,
    saying,
)

from agentfield.sessions import provider as p

pytestmark = pytest.mark.unit


# --- interrupted ---


def test_the_user_interrupts_and_the_provider_says_how_much_was_heard() -> None:
    stage = playing()
    stage.wait(2)
    stage.tell(SAID, CLEARED, p.Truncated(item_id=ITEM, audio_ms=1000), CUT)
    spoken = stage.spoken()
    assert (spoken.outcome, spoken.estimated, spoken.heard_ms) == ("interrupted", True, 1000)
    assert spoken.heard_text == "One two three"
    assert spoken.spoken_text == TEXT
    assert stage.one("agent.interrupted") == {"item_id": ITEM, "response_id": RESP}
    heard = stage.one("agent.heard")
    assert (heard["interrupted"], heard["outcome"], heard["heard_ms"]) == (
        True,
        "interrupted",
        1000,
    )


def test_the_user_interrupts_and_how_much_was_heard_is_estimated_by_time() -> None:
    stage = playing()
    stage.tell(SAID, DONE)
    stage.wait(2)
    stage.tell(CLEARED)
    assert stage.resolved("say") is None
    stage.wait(0.5)
    spoken = stage.spoken()
    assert (spoken.outcome, spoken.estimated, spoken.heard_ms) == ("interrupted", True, 2000)
    assert spoken.heard_text == "One two three four five six"
    assert stage.is_quiet()


def test_speech_that_is_cut_before_it_is_heard_was_not_heard() -> None:
    stage = saying()
    stage.tell(SAID, CUT)
    spoken = stage.spoken()
    assert (spoken.outcome, spoken.heard_text, spoken.heard_ms) == ("interrupted", "", 0)


def test_of_two_messages_the_later_is_heard_after_the_earlier() -> None:
    stage = saying("One two. Three four.")
    stage.tell(
        STARTED,
        p.AgentSaid(response_id=RESP, item_id="a", text="One two three four five."),
        p.AgentSaid(response_id=RESP, item_id="b", text="Six seven eight."),
    )
    stage.wait(2.1)
    stage.tell(CUT, CLEARED)
    stage.wait(1)
    first, second = stage.logged("agent.heard")
    assert (first["text"], first["heard_ms"]) == ("One two three four five.", 1600)
    assert (second["text"], second["heard_ms"]) == ("Six", 500)
    assert stage.spoken().heard_text == "One two three four five. Six"


def test_of_two_messages_the_provider_may_know_one() -> None:
    stage = saying("One two. Three four.")
    stage.tell(
        STARTED,
        p.AgentSaid(response_id=RESP, item_id="a", text="One two."),
        p.AgentSaid(response_id=RESP, item_id="b", text="Three four."),
        p.Truncated(item_id="a", audio_ms=300),
    )
    stage.wait(1)
    stage.tell(CUT, CLEARED)
    stage.wait(1)
    assert [data["heard_ms"] for data in stage.logged("agent.heard")] == [300, 700]


def test_what_was_cut_was_not_played_to_its_end() -> None:
    stage = playing()
    stage.tell(CLEARED, STOPPED, SAID, DONE)
    stage.wait(1)
    assert stage.spoken().outcome == "interrupted"


def test_an_interruption_is_told_once() -> None:
    stage = playing()
    stage.tell(CLEARED, CUT, CLEARED)
    assert len(stage.logged("agent.interrupted")) == 1


def test_what_comes_of_speech_that_is_over_changes_nothing() -> None:
    stage = saying()
    stage.speak(TEXT)
    before = list(stage.effects)
    begun = p.SpeechBegun(response_id=RESP, command_id="cmd_1")
    delta = p.AgentDelta(response_id=RESP, item_id=ITEM, delta="One")
    stage.tell(begun, STARTED, delta, SAID, DONE, STOPPED, CLEARED)
    assert stage.effects == before
    assert stage.is_quiet()


# --- stopped by the handler ---


def test_the_handler_stops_what_is_being_said() -> None:
    stage = playing()
    stage.wait(1)
    assert stage.interrupt()
    assert stage.sent(p.CancelSpeech) == [p.CancelSpeech(response_id=RESP)]
    stage.tell(
        SAID,
        p.SpeechDone(response_id=RESP, status="cancelled", reason="client_cancelled"),
        CLEARED,
        p.Truncated(item_id=ITEM, audio_ms=1000),
    )
    spoken = stage.spoken()
    assert (spoken.outcome, spoken.heard_text) == ("cancelled", "One two three")
    assert stage.one("agent.heard")["interrupted"]
    assert not stage.logged("agent.interrupted")


def test_what_is_generated_already_is_only_dropped() -> None:
    stage = playing()
    stage.tell(SAID, DONE)
    assert stage.interrupt()
    assert stage.sent(p.CancelSpeech) == [p.CancelSpeech(response_id=None)]
    stage.tell(CLEARED)
    stage.wait(1)
    assert stage.spoken().outcome == "cancelled"


def test_what_is_generated_and_not_heard_yet_is_stopped_as_well() -> None:
    stage = saying()
    stage.tell(SAID, DONE)
    assert stage.interrupt()
    assert stage.sent(p.CancelSpeech) == [p.CancelSpeech(response_id=None)]


def test_what_was_asked_for_and_has_not_begun_is_stopped_when_it_begins() -> None:
    stage = Stage()
    stage.say(TEXT)
    assert stage.interrupt()
    assert not stage.sent(p.CancelSpeech)
    stage.begin()
    assert stage.sent(p.CancelSpeech) == [p.CancelSpeech(response_id=RESP)]
    stage.done(status="cancelled", reason="client_cancelled")
    assert stage.spoken().outcome == "cancelled"


def test_what_was_refused_and_stopped_is_not_asked_for_again() -> None:
    stage = Stage()
    stage.say(TEXT)
    assert stage.interrupt()
    stage.tell(BUSY)
    assert stage.spoken().outcome == "cancelled"
    stage.wait(60)
    assert stage.asks() == 1


def test_what_waits_for_a_busy_provider_is_stopped_at_once() -> None:
    stage = Stage()
    stage.say(TEXT)
    stage.tell(BUSY)
    assert stage.interrupt()
    assert stage.spoken().outcome == "cancelled"
    stage.wait(60)
    assert stage.asks() == 1


def test_what_is_not_said_yet_is_not_stopped() -> None:
    stage = saying()
    stage.say("Next.", "next")
    stage.interrupt()
    stage.done(status="cancelled", reason="client_cancelled")
    assert stage.spoken().outcome == "cancelled"
    assert stage.asked().say == "Next."
    assert stage.resolved("next") is None


def test_there_is_nothing_to_stop_in_silence() -> None:
    stage = Stage()
    assert not stage.interrupt()
    stage.say(TEXT)
    stage.begin()
    stage.speak(TEXT)
    assert not stage.interrupt()
    assert not stage.sent(p.CancelSpeech)


def test_what_ended_while_it_was_being_stopped_is_completed() -> None:
    stage = playing()
    stage.tell(SAID, DONE)
    stage.interrupt()
    stage.tell(STOPPED)
    assert stage.spoken().outcome == "completed"


def test_what_is_stopped_by_the_client_is_cancelled() -> None:
    stage = saying()
    stage.done(status="cancelled", reason="client_cancelled")
    assert stage.spoken().outcome == "cancelled"
