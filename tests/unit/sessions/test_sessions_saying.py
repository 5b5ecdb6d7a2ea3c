"""A text that is to be spoken: sent once, and answered once with what became of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.sessions.stage import Stage
from unit.sessions.texts import (
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

from agentfield.sessions import effects as e
from agentfield.sessions import provider as p

pytestmark = pytest.mark.unit


# --- sent ---


def test_a_text_waits_until_the_session_is_live() -> None:
    stage = Stage(live=False)
    stage.say(TEXT)
    stage.wait(50)
    stage.link()
    stage.wait(50)
    assert not stage.all(e.Send)
    stage.tell(p.Configured(matches=True))
    assert stage.sent(p.CreateSpeech) == [p.CreateSpeech(command_id="cmd_1", say=TEXT)]
    assert stage.one("agent.asked") == {
        "command_id": "cmd_1",
        "kind": "say",
        "text": TEXT,
        "attempt": 1,
        "instructions": None,
        "metadata": {},
        "request": "say",
        "after": "",
    }
    # It is logged first: what is sent may only follow what is stored.
    asked, live = stage.all(e.Log)[-1], stage.all(e.GoLive)[0]
    assert stage.effects.index(live) < stage.effects.index(asked)
    assert stage.effects[-1] == e.Send(command=stage.asked())


def test_a_text_is_sent_once_whatever_happens_meanwhile() -> None:
    stage = saying()
    stage.tell(STARTED, SAID, DONE, STOPPED)
    stage.wait(300)
    assert stage.asks() == 1


def test_two_texts_follow_each_other() -> None:
    stage = Stage()
    stage.say("One.", "first")
    stage.say("Two.", "second")
    assert stage.asks() == 1
    stage.begin()
    stage.tell(p.AgentSaid(response_id=RESP, item_id=ITEM, text="One."))
    assert stage.asks() == 1
    stage.done(has_audio=True)
    # The next is generated while the first is heard.
    assert stage.asks() == 2
    stage.begin("resp-2")
    stage.tell(STARTED, STOPPED)
    assert stage.spoken("first").outcome == "completed"
    assert stage.resolved("second") is None
    stage.speak("Two.", "resp-2")
    assert stage.spoken("second").spoken_text == "Two."


# --- completed ---


@pytest.mark.parametrize("events", [(DONE, STOPPED), (STOPPED, DONE)])
def test_a_text_is_completed_when_it_is_generated_and_was_heard(
    events: tuple[p.ProviderEvent, ...],
) -> None:
    stage = saying(mood="glad")
    stage.tell(STARTED, SAID)
    stage.wait(3)
    for event in events:
        assert stage.resolved("say") is None
        stage.tell(event)
    spoken = stage.spoken()
    assert (spoken.text, spoken.spoken_text, spoken.heard_text) == (TEXT, TEXT, TEXT)
    assert (spoken.outcome, spoken.verbatim, spoken.estimated) == ("completed", True, False)
    assert spoken.heard_ms == 3000
    assert spoken.turn is not None
    assert (spoken.turn.item_id, spoken.turn.text) == (ITEM, TEXT)
    assert stage.one("agent.heard") == {
        "item_id": ITEM,
        "response_id": RESP,
        "command_id": "cmd_1",
        "text": TEXT,
        "full_text": TEXT,
        "heard_ms": 3000,
        "interrupted": False,
        "estimated": False,
        "outcome": "completed",
        "metadata": {"mood": "glad"},
    }
    assert stage.is_quiet()


def test_it_is_completed_only_when_its_playback_has_ended() -> None:
    stage = saying()
    stage.tell(SAID, DONE)
    assert stage.resolved("say") is None
    stage.tell(STARTED)
    assert stage.resolved("say") is None
    stage.tell(STOPPED)
    assert stage.spoken().outcome == "completed"


def test_a_text_that_is_written_is_completed_when_it_is_done() -> None:
    stage = saying()
    stage.tell(SAID)
    stage.done()
    spoken = stage.spoken()
    assert (spoken.outcome, spoken.heard_text, spoken.heard_ms) == ("completed", TEXT, 0)


def test_the_log_tells_what_happens_to_a_text() -> None:
    stage = saying()
    stage.speak(TEXT)
    steps = ["agent.asked", "agent.started", "agent.said", "response.done", "agent.heard"]
    assert stage.log(*steps) == steps
    assert stage.one("agent.started") == {"response_id": RESP, "command_id": "cmd_1"}
    assert stage.one("agent.said") == {
        "item_id": ITEM,
        "response_id": RESP,
        "command_id": "cmd_1",
        "text": TEXT,
    }
    assert stage.one("response.done") == {
        "response_id": RESP,
        "status": "completed",
        "reason": "",
        "error": None,
    }


def test_pieces_of_speech_are_for_those_who_watch_now() -> None:
    stage = saying()
    stage.tell(p.AgentDelta(response_id=RESP, item_id=ITEM, delta="One"))
    data = {"item_id": ITEM, "response_id": RESP, "delta": "One"}
    assert stage.all(e.Live) == [e.Live(type="agent.delta", data=data)]


def test_a_response_is_done_once() -> None:
    stage = playing()
    stage.tell(SAID, DONE, CUT)
    assert stage.one("response.done")["status"] == "completed"
    stage.tell(STOPPED)
    assert stage.spoken().outcome == "completed"


def test_playback_is_measured_from_its_first_start() -> None:
    stage = playing()
    stage.wait(1)
    stage.tell(STARTED)
    stage.wait(1)
    stage.tell(SAID, DONE, STOPPED)
    assert stage.spoken().heard_ms == 2000


def test_a_message_whose_words_are_not_told_was_said_all_the_same() -> None:
    stage = saying()
    stage.tell(STARTED, DONE, STOPPED)
    assert (stage.one("agent.heard")["item_id"], stage.one("agent.heard")["text"]) == (ITEM, "")
    assert stage.spoken().outcome == "completed"


def test_a_text_in_two_messages_is_one_text() -> None:
    stage = saying("One two. Three four.")
    stage.tell(
        STARTED,
        p.AgentSaid(response_id=RESP, item_id="a", text="One two."),
        p.AgentSaid(response_id=RESP, item_id="b", text="Three four."),
        p.SpeechDone(response_id=RESP, has_audio=True, item_ids=("a", "b")),
    )
    stage.wait(5)
    stage.tell(STOPPED)
    spoken = stage.spoken()
    assert spoken.spoken_text == spoken.heard_text == "One two. Three four."
    assert spoken.verbatim
    assert spoken.heard_ms == 5000
    assert not stage.logged("agent.deviated")
    assert [data["item_id"] for data in stage.logged("agent.heard")] == ["a", "b"]


# --- other words ---


def test_other_words_are_a_deviation_and_no_second_attempt() -> None:
    stage = saying("One two.")
    stage.speak("Well, one two!")
    assert not stage.spoken().verbatim
    assert stage.spoken().outcome == "completed"
    assert stage.one("agent.deviated") == {
        "command_id": "cmd_1",
        "asked": "One two.",
        "spoken": "Well, one two!",
    }
    assert stage.asks() == 1
    assert stage.log("agent.deviated", "agent.heard")[-1] == "agent.heard"


def test_a_text_that_reaches_the_models_limit_is_a_deviation() -> None:
    stage = saying("One two.")
    stage.tell(p.AgentSaid(response_id=RESP, item_id=ITEM, text="One"))
    stage.done(status="incomplete", reason="max_output_tokens")
    assert stage.one("agent.deviated")["spoken"] == "One"


def test_case_and_punctuation_are_no_deviation() -> None:
    stage = saying("One, two: THREE.")
    stage.speak("one two three")
    assert stage.spoken().verbatim
    assert not stage.logged("agent.deviated")


def test_words_that_were_cut_short_are_no_deviation() -> None:
    stage = playing()
    stage.tell(p.AgentSaid(response_id=RESP, item_id=ITEM, text="One two"), CUT, CLEARED)
    stage.wait(1)
    assert stage.spoken().outcome == "interrupted"
    assert not stage.spoken().verbatim
    assert not stage.logged("agent.deviated")


# --- every order ---

BEGUN = p.SpeechBegun(response_id=RESP, command_id="cmd_1")
DELTA = p.AgentDelta(response_id=RESP, item_id=ITEM, delta="One")
TRUNCATED = p.Truncated(item_id=ITEM, audio_ms=1000)


def in_an_order_that_is_allowed(events: list[p.ProviderEvent]) -> list[p.ProviderEvent]:
    """Put the words before the end of the response, which repeats them otherwise."""
    done = next(n for n, event in enumerate(events) if isinstance(event, p.SpeechDone))
    said = events.index(SAID)
    if said > done:
        events[said], events[done] = events[done], events[said]
    return events


def told(events: list[p.ProviderEvent]) -> Stage:
    stage = Stage()
    stage.say(TEXT)
    stage.say("Next.", "next")
    for event in events:
        stage.tell(event)
        stage.wait(0.01)
    stage.wait(2)
    assert stage.asked().say == "Next."
    assert stage.asks() == 2
    assert stage.resolved("next") is None
    assert not stage.sent(p.CancelSpeech)
    return stage


@given(st.permutations([BEGUN, STARTED, DELTA, SAID, DONE, STOPPED]))
def test_a_text_is_completed_once_whatever_the_order_of_events(
    events: list[p.ProviderEvent],
) -> None:
    ordered = in_an_order_that_is_allowed(list(events))
    if ordered.index(STARTED) > ordered.index(STOPPED):
        ordered.remove(STARTED)
    spoken = told(ordered).spoken()
    assert (spoken.outcome, spoken.heard_text, spoken.verbatim) == ("completed", TEXT, True)


@given(st.permutations([BEGUN, STARTED, DELTA, SAID, CUT, CLEARED, TRUNCATED]))
def test_a_text_is_interrupted_once_whatever_the_order_of_events(
    events: list[p.ProviderEvent],
) -> None:
    ordered = in_an_order_that_is_allowed(list(events))
    if ordered.index(CUT) < ordered.index(STARTED):
        # Nothing of it is heard any more: then its playback does not begin, and is not cut.
        ordered = [e for e in ordered if e not in {STARTED, CLEARED, TRUNCATED}]
    stage = told(ordered)
    assert stage.spoken().outcome == "interrupted"
    assert len(stage.logged("agent.interrupted")) == 1
    if TRUNCATED in ordered:
        assert (stage.spoken().heard_text, stage.spoken().heard_ms) == ("One two three", 1000)


@given(st.permutations([BEGUN, STARTED, DELTA, SAID, DONE, CLEARED, TRUNCATED]))
def test_a_text_cut_after_its_generation_is_interrupted_whatever_the_order(
    events: list[p.ProviderEvent],
) -> None:
    stage = told(in_an_order_that_is_allowed(list(events)))
    assert stage.spoken().outcome == "interrupted"
    assert stage.spoken().heard_text == "One two three"
