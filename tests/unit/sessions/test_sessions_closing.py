"""How a conversation ends, what its handler's next attempt finds, and what it has used."""

from __future__ import annotations

import pytest
from unit.sessions.stage import CAPABILITIES, SESSION, Stage

from agentfield.sessions import effects as e
from agentfield.sessions import provider as p
from agentfield.sessions.conversation import Conversation
from agentfield.sessions.leading import Leader
from agentfield.sessions.model import Event
from agentfield.v1 import errors

pytestmark = pytest.mark.unit

TEXT = "One two three four five six."


def playing(text: str = TEXT, *, attempt: int = 1) -> Stage:
    stage = Stage()
    stage.say(text, attempt=attempt)
    stage.begin()
    stage.tell(
        p.PlaybackStarted(response_id="resp-1"),
        p.AgentSaid(response_id="resp-1", item_id="item-1", text=text),
    )
    return stage


# --- close ---


def test_at_the_end_everybody_who_waits_gets_the_error() -> None:
    stage = playing()
    stage.say("Queued.", "queued")
    stage.update(instructions="Be brief.")
    stage.close()
    for command_id in ("say", "queued", "update"):
        assert isinstance(stage.resolved(command_id), errors.SessionEnded)


def test_at_the_end_also_those_get_the_error_who_wait_for_a_begin_or_a_tool() -> None:
    stage = Stage()
    stage.respond("chain")
    stage.begin()
    stage.call()
    stage.done()
    stage.say("Asked.", "asked")
    stage.close()
    assert isinstance(stage.resolved("chain"), errors.SessionEnded)
    assert isinstance(stage.resolved("asked"), errors.SessionEnded)


def test_at_the_end_it_is_told_what_was_heard_of_what_was_being_said() -> None:
    stage = playing()
    stage.wait(1)
    stage.close()
    heard = stage.one("agent.heard")
    assert (heard["text"], heard["heard_ms"]) == ("One two three", 1000)
    assert (heard["outcome"], heard["interrupted"], heard["estimated"]) == (
        "interrupted",
        True,
        True,
    )


def test_at_the_end_nobody_knows_of_what_had_not_begun_to_be_heard() -> None:
    stage = Stage()
    stage.say(TEXT)
    stage.begin()
    stage.tell(p.AgentSaid(response_id="resp-1", item_id="item-1", text=TEXT))
    stage.close()
    heard = stage.one("agent.heard")
    assert (heard["text"], heard["heard_ms"], heard["outcome"]) == ("", None, "unknown")


def test_after_the_end_nothing_is_said_any_more() -> None:
    stage = Stage()
    stage.respond()
    stage.begin()
    stage.call()
    stage.done()
    stage.say("Queued.", "queued")
    asks = stage.asks()
    stage.close()
    stage.finish()
    stage.say("Late.", "late")
    stage.wait(300)
    assert stage.asks() == asks
    assert stage.is_quiet()


# --- supersede ---


def test_another_attempt_fails_what_the_earlier_waits_for() -> None:
    stage = playing()
    stage.say("Queued.", "queued")
    stage.supersede(2)
    error = stage.resolved("say")
    assert isinstance(error, errors.HandlerSuperseded)
    assert error.metadata == {"session_id": "sess_1", "attempt": "2"}
    assert isinstance(stage.resolved("queued"), errors.HandlerSuperseded)


def test_what_is_being_said_goes_on_and_what_was_not_sent_is_dropped() -> None:
    stage = playing()
    stage.say("Queued.", "queued")
    stage.supersede(2)
    assert not stage.sent(p.CancelSpeech)
    stage.done(has_audio=True)
    stage.wait(2)
    stage.tell(p.PlaybackStopped(response_id="resp-1"))
    assert stage.one("agent.heard")["outcome"] == "completed"
    assert stage.asks() == 1


def test_what_was_sent_and_has_not_begun_goes_on_as_well() -> None:
    stage = Stage()
    stage.say(TEXT)
    stage.supersede(2)
    stage.begin()
    assert not stage.sent(p.CancelSpeech)


def test_an_answer_of_an_earlier_attempt_does_not_go_on_after_its_tool() -> None:
    stage = Stage()
    stage.respond()
    stage.begin()
    stage.call()
    stage.done()
    stage.supersede(2)
    stage.finish()
    assert len(stage.outputs()) == 1
    assert stage.asks() == 1


def test_the_new_attempt_and_what_no_handler_asked_for_are_left_alone() -> None:
    stage = playing(attempt=2)
    stage.supersede(2)
    assert stage.resolved("say") is None
    unled = Stage(Leader.MODEL)
    unled.user_says()
    unled.begin()
    unled.call()
    unled.done()
    unled.supersede(2)
    unled.finish()
    assert unled.asks() == 2


# --- the link ---


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (p.LinkClosed(by_provider=True, detail="1000"), "provider_closed"),
        (p.LinkClosed(by_provider=False, detail="lost"), "provider_error"),
        (p.Failed(code="x", message="", fatal=True, expired=True), "provider_closed"),
        (p.Failed(code="x", message="", fatal=True), "provider_error"),
    ],
)
def test_a_session_ends_with_its_call(event: p.ProviderEvent, reason: str) -> None:
    stage = Stage()
    stage.tell(event)
    assert stage.end_reasons() == [reason]


def test_the_end_says_what_the_provider_said() -> None:
    stage = Stage()
    stage.tell(p.LinkClosed(by_provider=True, detail="1000 bye"), p.Failed(code="x", message=""))
    assert [end.detail for end in stage.all(e.End)] == ["1000 bye"]
    stage.tell(p.Failed(code="broken", message="", fatal=True))
    assert stage.all(e.End)[-1].detail == "broken"


def test_an_error_is_logged_and_the_session_goes_on() -> None:
    stage = Stage()
    stage.tell(p.Failed(code="invalid", message="No.", command_id="cancel"))
    assert stage.one("provider.error") == {
        "code": "invalid",
        "message": "No.",
        "command_id": "cancel",
    }
    assert not stage.end_reasons()


def test_without_a_link_nothing_is_sent() -> None:
    stage = Stage()
    stage.tell(p.LinkClosed(by_provider=True))
    stage.say(TEXT)
    stage.wait(300)
    assert stage.asks() == 0


def test_what_was_with_a_lost_link_is_unknown_and_what_waited_still_waits() -> None:
    stage = playing()
    stage.say("Queued.", "queued")
    stage.link("call_2")
    assert stage.spoken().outcome == "unknown"
    stage.tell(p.Configured(matches=True))
    assert stage.asked().say == "Queued."
    stage.begin("resp-2")
    stage.speak("Queued.", "resp-2")
    assert stage.spoken("queued").outcome == "completed"


def test_what_was_asked_for_on_a_lost_link_is_not_asked_for_again() -> None:
    stage = Stage()
    stage.say(TEXT)
    stage.link("call_2")
    stage.tell(p.Configured(matches=True))
    stage.wait(300)
    assert stage.spoken().outcome == "unknown"
    assert stage.asks() == 1


def test_a_tool_of_a_lost_link_is_not_waited_for() -> None:
    stage = Stage()
    stage.respond()
    stage.begin()
    stage.call()
    stage.done()
    stage.link("call_2")
    assert stage.spoken("respond").outcome == "unknown"
    stage.tell(p.Configured(matches=True))
    assert stage.asks() == 1


# --- usage and history ---


def test_usage_adds_up_member_by_member() -> None:
    stage = Stage(Leader.PROVIDER)
    one = {"total": 3, "input": {"text": 1, "audio": 2}, "cost": 0.5, "kind": "x", "flag": True}
    stage.done("r1", usage=one)
    stage.done("r2", usage={"total": 4, "input": {"text": 5, "cached": 1}, "output": {"text": 1}})
    stage.done("r3")
    assert [data["usage"] for data in stage.logged("usage")] == [
        one,
        {"total": 4, "input": {"text": 5, "cached": 1}, "output": {"text": 1}},
    ]
    assert stage.conversation.usage == {
        "total": 7,
        "input": {"text": 6, "audio": 2, "cached": 1},
        "output": {"text": 1},
        "cost": 0.5,
    }


def test_usage_whose_shape_changes_breaks_nothing() -> None:
    stage = Stage(Leader.PROVIDER)
    stage.done("r1", usage={"a": 1, "b": {"c": 1}})
    stage.done("r2", usage={"a": {"d": 2}, "b": 3})
    assert stage.conversation.usage == {"a": {"d": 2}, "b": 3}


def test_usage_goes_on_from_what_was_used() -> None:
    conversation = Conversation(
        SESSION, leader=Leader.PROVIDER, capabilities=CAPABILITIES, new_id=str
    )
    conversation.replay(Event(type="usage", data={"usage": {"total": 5}}), 0.0)
    conversation.heard_from(p.SpeechDone(response_id="r", usage={"total": 2}), 0.0)
    assert conversation.usage == {"total": 7}


def test_history_is_taken_in_again_and_its_open_turns_are_answered() -> None:
    stage = Stage()
    stage.replay("turn.committed", item_id="u1")
    stage.replay("turn.transcribed", item_id="u1", text="Hi.")
    stage.lead(Leader.MODEL)
    assert stage.asks() == 1
