"""A text that is to be spoken: sent once, and answered once with what became of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.sessions.stage import Stage

from agentfield.sessions import effects as e
from agentfield.sessions import provider as p
from agentfield.sessions.leading import Leader

pytestmark = pytest.mark.unit

TEXT = "One two three four five six seven eight nine ten."
RESP, ITEM = "resp-1", "resp-1-item"
STARTED = p.PlaybackStarted(response_id=RESP)
STOPPED = p.PlaybackStopped(response_id=RESP)
CLEARED = p.PlaybackCleared(response_id=RESP)
SAID = p.AgentSaid(response_id=RESP, item_id=ITEM, text=TEXT)
DONE = p.SpeechDone(response_id=RESP, command_id="cmd_1", has_audio=True, item_ids=(ITEM,))
CUT = p.SpeechDone(
    response_id=RESP, command_id="cmd_1", status="cancelled", reason="turn_detected", has_audio=True
)
BUSY = p.Failed(code="busy", message="busy", command_id="cmd_1", busy=True)


def saying(text: str = TEXT, **facts: Any) -> Stage:
    """Return a stage on which a text is being said."""
    stage = Stage()
    stage.say(text, **facts)
    stage.begin()
    return stage


def playing() -> Stage:
    stage = saying()
    stage.tell(STARTED, p.AgentDelta(response_id=RESP, item_id=ITEM, delta="One"))
    return stage


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
