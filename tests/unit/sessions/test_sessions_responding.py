"""The model answers for the handler, through its tools, to its last message."""

from __future__ import annotations

import pytest
from unit.sessions.stage import Stage

from agentfield.sessions import provider as p
from agentfield.sessions.leading import Leader

pytestmark = pytest.mark.unit


def responding(instructions: str | None = None) -> Stage:
    stage = Stage()
    stage.user_says()
    stage.respond(instructions=instructions)
    stage.begin()
    return stage


def called(leader: Leader = Leader.HANDLER) -> Stage:
    """Return a stage on which the model has called a tool, and its response is done."""
    stage = responding()
    if leader is not Leader.HANDLER:
        stage.lead(leader)
    stage.call()
    stage.done()
    return stage


def speaking_and_calling() -> Stage:
    stage = responding()
    stage.tell(
        p.PlaybackStarted(response_id="resp-1"),
        p.AgentSaid(response_id="resp-1", item_id="wait", text="One moment please."),
    )
    stage.call()
    stage.done(has_audio=True)
    return stage


def test_the_model_answers_with_what_it_said() -> None:
    stage = responding("Be brief.")
    assert stage.asked() == p.CreateSpeech(command_id="cmd_1", instructions="Be brief.")
    assert stage.one("agent.asked")["kind"] == "respond"
    stage.speak("Yes.")
    spoken = stage.spoken("respond")
    assert (spoken.text, spoken.spoken_text, spoken.heard_text) == ("", "Yes.", "Yes.")
    assert (spoken.outcome, spoken.verbatim) == ("completed", False)
    assert spoken.turn is not None
    assert spoken.turn.text == "Yes."
    assert not stage.logged("agent.deviated")


def test_after_a_tool_the_answer_is_the_last_message() -> None:
    stage = responding("Be brief.")
    stage.call()
    stage.done()
    assert stage.resolved("respond") is None
    stage.finish()
    assert stage.asks() == 2
    assert stage.asked() == p.CreateSpeech(command_id="cmd_2", instructions="Be brief.")
    assert stage.logged("agent.asked")[-1]["kind"] == "continue"
    stage.begin("resp-2")
    stage.call("call-2", response="resp-2")
    stage.done("resp-2")
    stage.finish("call-2")
    stage.begin("resp-3")
    stage.speak("It is here.", "resp-3")
    assert stage.spoken("respond").spoken_text == "It is here."
    assert stage.spoken("respond").turn is not None
    assert stage.asks() == 3
    assert len(stage.outputs()) == 2


def test_the_model_goes_on_while_its_first_words_are_still_heard() -> None:
    stage = speaking_and_calling()
    stage.finish()
    assert stage.asks() == 2
    stage.tell(p.PlaybackStopped(response_id="resp-1"))
    assert stage.asks() == 2
    assert stage.resolved("respond") is None
    stage.begin("resp-2")
    stage.speak("It is here.", "resp-2")
    assert stage.spoken("respond").heard_text == "It is here."
    assert stage.log("agent.heard") == ["agent.heard", "agent.heard"]


def test_a_model_that_says_nothing_after_its_tool_has_said_what_it_said_before() -> None:
    stage = speaking_and_calling()
    stage.tell(p.PlaybackStopped(response_id="resp-1"))
    stage.finish()
    stage.begin("resp-2")
    stage.done("resp-2")
    spoken = stage.spoken("respond")
    assert (spoken.outcome, spoken.heard_text) == ("completed", "One moment please.")


def test_an_answer_fails_in_its_chain() -> None:
    stage = called()
    stage.finish()
    stage.tell(p.Failed(code="bad", message="No.", command_id=stage.asked().command_id))
    assert stage.spoken("respond").outcome == "failed"


def test_an_answer_that_does_not_begin_is_given_up() -> None:
    stage = Stage()
    stage.respond()
    stage.wait(30)
    assert stage.spoken("respond").outcome == "unknown"


def test_an_answer_may_take_as_long_as_it_shows_signs_of_life() -> None:
    stage = responding()
    for _ in range(10):
        stage.wait(29)
        stage.tell(p.AgentDelta(response_id="resp-1", item_id="i", delta="x"))
    assert stage.resolved("respond") is None
    stage.wait(30)
    assert stage.spoken("respond").outcome == "unknown"


def test_a_stopped_answer_does_not_go_on_after_its_tool() -> None:
    stage = called()
    assert stage.interrupt()
    assert stage.spoken("respond").outcome == "cancelled"
    assert not stage.sent(p.CancelSpeech)
    stage.finish()
    assert len(stage.outputs()) == 1
    assert stage.asks() == 1
    assert stage.is_quiet()


def test_an_answer_that_is_stopped_while_it_is_generated_is_over_when_it_is_done() -> None:
    stage = responding()
    stage.call()
    assert stage.interrupt()
    assert stage.resolved("respond") is None
    stage.done(status="cancelled", reason="client_cancelled")
    assert stage.spoken("respond").outcome == "cancelled"
    stage.finish()
    assert stage.asks() == 1


def test_an_answer_is_stopped_while_its_continuation_waits() -> None:
    stage = called()
    stage.say("Something.")
    stage.finish()
    assert stage.asked().say == "Something."
    stage.interrupt()
    assert stage.spoken("respond").outcome == "cancelled"
    stage.begin("resp-2")
    stage.done("resp-2", status="cancelled", reason="client_cancelled")
    assert stage.asks() == 2


def barge_in(stage: Stage, *, audio_ms: int = 600) -> None:
    stage.tell(
        p.SpeechStarted(item_id="u2", at_ms=0),
        p.PlaybackCleared(response_id="resp-1"),
        p.Truncated(item_id="wait", audio_ms=audio_ms),
    )


def test_after_a_barge_in_the_model_goes_on_if_the_user_said_nothing_more() -> None:
    stage = speaking_and_calling()
    barge_in(stage)
    assert stage.resolved("respond") is None
    stage.finish()
    assert stage.asks() == 2


def test_after_a_barge_in_a_newer_turn_ends_the_answer() -> None:
    stage = speaking_and_calling()
    barge_in(stage)
    stage.user_says("Stop.", "u2")
    spoken = stage.spoken("respond")
    assert (spoken.outcome, spoken.heard_text, spoken.heard_ms) == ("interrupted", "One", 600)
    assert spoken.spoken_text == "One moment please."
    assert spoken.turn is not None
    assert spoken.turn.interrupted
    stage.finish()
    assert stage.asks() == 1
    assert len(stage.outputs()) == 1


def test_after_a_barge_in_a_turn_that_is_typed_is_newer_as_well() -> None:
    stage = speaking_and_calling()
    barge_in(stage)
    item = p.ItemAdded(
        item_id="u2", previous_item_id=None, type="message", role="user", text="Stop."
    )
    stage.tell(item)
    assert stage.spoken("respond").outcome == "interrupted"


def test_whether_the_model_goes_on_is_not_decided_before_its_response_is_done() -> None:
    stage = responding()
    stage.tell(p.PlaybackStarted(response_id="resp-1"))
    stage.call(name="steal")
    stage.tell(p.PlaybackCleared(response_id="resp-1"))
    stage.user_says("Stop.", "u2")
    stage.done(status="cancelled", reason="turn_detected", has_audio=True)
    assert stage.spoken("respond").outcome == "interrupted"
    assert stage.asks() == 1


def test_a_newer_turn_without_a_barge_in_does_not_end_the_answer() -> None:
    stage = called()
    stage.user_says("And?", "u2")
    stage.finish()
    assert stage.asks() == 2


def test_a_turn_from_before_the_answer_began_does_not_end_it() -> None:
    stage = Stage()
    stage.respond()
    stage.user_says()
    stage.begin()
    stage.tell(
        p.PlaybackStarted(response_id="resp-1"),
        p.AgentSaid(response_id="resp-1", item_id="wait", text="One moment please."),
    )
    stage.call()
    stage.done(has_audio=True)
    barge_in(stage)
    stage.finish()
    assert stage.asks() == 2


def test_what_the_model_was_asked_by_us_goes_on_as_well() -> None:
    stage = Stage(Leader.MODEL)
    stage.user_says()
    stage.begin()
    stage.call()
    stage.done()
    stage.finish()
    assert stage.logged("agent.asked")[-1]["kind"] == "continue"


def test_what_the_provider_answers_by_itself_goes_on_by_us() -> None:
    stage = Stage(Leader.PROVIDER)
    stage.tell(p.SpeechBegun(response_id="own"))
    stage.call(response="own")
    stage.done("own")
    stage.finish()
    assert stage.asks() == 1
    assert stage.one("agent.asked")["kind"] == "continue"


def test_a_handler_that_returns_while_its_answer_calls_a_tool_has_answered() -> None:
    stage = called(Leader.MODEL)
    stage.finish()
    assert [data["kind"] for data in stage.logged("agent.asked")] == ["respond", "continue"]
