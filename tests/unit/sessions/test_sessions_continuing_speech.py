"""Speech and commands of conversations that nobody listened to for a while."""

from __future__ import annotations

from typing import Any

import pytest
from unit.sessions.away import TEXT, Away
from unit.sessions.stage import TALK, Stage

from agentfield.sessions import effects as e
from agentfield.sessions import provider as p
from agentfield.sessions.pieces import ADRIFT_SECONDS

pytestmark = pytest.mark.unit


# --- speech ---


def test_what_was_sent_is_not_sent_again_and_becomes_unknown(away: Away) -> None:
    stage = Stage()
    stage.say(TEXT)
    stage = away(stage)
    stage.relink()
    assert stage.resolved("say") is None
    stage.wait(60)
    assert stage.spoken().outcome == "unknown"
    assert not stage.asks()


def test_the_time_to_become_unknown_begins_when_there_is_a_link() -> None:
    stage = unlinked_say(seconds=10)
    assert stage.resolved("say") is None
    stage.relink()
    stage.wait(ADRIFT_SECONDS - 0.1)
    assert stage.resolved("say") is None
    stage.wait(0.2)
    assert stage.spoken().outcome == "unknown"


def unlinked_say(*, seconds: float) -> Stage:
    stage = Stage()
    stage.say("Hi.")
    stage.lose_link()
    stage.wait(seconds)
    return stage


def test_what_was_sent_and_begins_after_all_is_what_was_asked_for(away: Away) -> None:
    stage = Stage()
    stage.say(TEXT)
    command_id = stage.asked().command_id
    stage = away(stage)
    stage.relink()
    stage.tell(p.SpeechBegun(response_id="resp-1", command_id=command_id))
    stage.speak(TEXT)
    assert (stage.spoken().outcome, stage.spoken().verbatim) == ("completed", True)


def test_what_was_begun_while_nobody_listened_is_known_by_its_end(away: Away) -> None:
    stage = Stage()
    stage.say(TEXT)
    command_id = stage.asked().command_id
    stage = away(stage)
    stage.relink()
    stage.tell(
        p.AgentSaid(response_id="resp-1", item_id="item-1", text=TEXT),
        p.SpeechDone(response_id="resp-1", command_id=command_id, has_audio=True),
        p.PlaybackStopped(response_id="resp-1"),
    )
    assert stage.spoken().outcome == "completed"
    assert stage.one("agent.heard")["command_id"] == command_id


def test_what_is_heard_on_after_a_while_is_heard_to_its_end(away: Away) -> None:
    stage = Stage()
    stage.say(TEXT, mood="calm")
    stage.begin()
    stage.tell(
        p.PlaybackStarted(response_id="resp-1"),
        p.AgentSaid(response_id="resp-1", item_id="item-1", text=TEXT),
        p.SpeechDone(response_id="resp-1", has_audio=True),
    )
    stage = away(stage)
    stage.relink()
    stage.tell(p.PlaybackStopped(response_id="resp-1"))
    assert stage.spoken().outcome == "completed"
    assert stage.one("agent.heard")["metadata"] == {"mood": "calm"}


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (p.PlaybackStopped(response_id="resp-1"), "completed"),
        (p.PlaybackCleared(response_id="resp-1"), "interrupted"),
    ],
)
def test_what_is_played_to_its_end_was_done_although_nobody_heard_that(
    away: Away, end: p.ProviderEvent, outcome: str
) -> None:
    stage = Stage()
    stage.say(TEXT)
    stage.begin()
    stage.tell(
        p.PlaybackStarted(response_id="resp-1"),
        p.AgentSaid(response_id="resp-1", item_id="item-1", text=TEXT),
    )
    stage = away(stage)
    stage.relink()
    stage.tell(end)
    stage.wait(1)
    assert stage.spoken().outcome == outcome
    assert not stage.sent(p.CancelSpeech)


def test_words_that_are_found_are_what_was_sent_before_although_nobody_heard_it(
    away: Away,
) -> None:
    stage = Stage()
    stage.say(TEXT)
    stage = away(stage)
    stage.relink(last="item-1")
    words = p.ItemFound(
        item_id="item-1", type="message", role="assistant", status="completed", text=TEXT
    )
    stage.tell(words)
    stage.wait(60)
    spoken = stage.spoken()
    assert (spoken.outcome, spoken.spoken_text, spoken.verbatim) == ("unknown", TEXT, True)


def test_of_what_was_begun_and_ended_meanwhile_the_words_are_found_and_the_end_is_unknown(
    away: Away,
) -> None:
    stage = Stage()
    stage.say(TEXT)
    stage.begin()
    added = p.ItemAdded(item_id="item-1", previous_item_id=None, type="message", role="assistant")
    stage.tell(added, p.PlaybackStarted(response_id="resp-1"))
    stage = away(stage)
    stage.relink(last="item-1")
    assert stage.looked_up() == ["item-1"]
    words = p.ItemFound(
        item_id="item-1", type="message", role="assistant", status="completed", text=TEXT
    )
    stage.tell(words)
    stage.wait(60)
    assert stage.spoken().outcome == "unknown"
    heard = stage.one("agent.heard")
    assert (heard["full_text"], heard["estimated"], heard["outcome"]) == (TEXT, True, "unknown")
    assert not stage.sent(p.CancelSpeech)


def test_what_was_not_sent_is_said_when_it_is_asked_for_again() -> None:
    stage = Stage(live=False)
    stage.say(TEXT)
    stage = stage.after_restart()
    assert not stage.conversation.recalls("say")
    stage.relink()
    stage.say(TEXT)
    assert stage.asks() == 1


def test_what_waits_for_its_time_is_said_when_there_is_a_link_again() -> None:
    stage = Stage()
    stage.lose_link()
    stage.say(TEXT)
    assert not stage.asks()
    stage.relink()
    assert stage.asks() == 1


def test_another_piece_does_not_wait_for_what_nobody_knows_of(away: Away) -> None:
    stage = Stage()
    stage.say("First.", "first")
    stage.begin()
    stage = away(stage)
    stage.relink()
    stage.say("Second.", "second")
    assert stage.asked().say == "Second."
    stage.tell(p.Failed(code="busy", message="", busy=True, command_id=stage.asked().command_id))
    stage.done("resp-1")
    assert stage.asks() == 2


# --- commands that are given again ---


def same_after_restart(stage: Stage, command_id: str) -> Any:
    """Return what a command resolves to after a restart that it was over before."""
    before = stage.resolved(command_id)
    assert before is not None
    after = stage.after_restart()
    assert after.conversation.recalls(command_id)
    assert after.resolved(command_id) == before
    after.relink()
    assert not after.asks()
    return before


def test_a_text_that_was_said_resolves_to_the_same_after_a_restart() -> None:
    stage = Stage()
    stage.say(TEXT)
    stage.begin()
    stage.speak(TEXT)
    assert same_after_restart(stage, "say").outcome == "completed"


def test_an_answer_with_tools_resolves_to_the_same_after_a_restart() -> None:
    stage = Stage()
    stage.respond()
    stage.begin()
    stage.call()
    stage.done()
    stage.finish()
    stage.begin("resp-2")
    stage.speak("Seven.", "resp-2")
    assert same_after_restart(stage, "respond").turn.text == "Seven."


def test_a_text_that_the_provider_refused_resolves_to_the_same_after_a_restart() -> None:
    stage = Stage()
    stage.say(TEXT)
    stage.tell(p.Failed(code="x", message="", command_id=stage.asked().command_id))
    assert same_after_restart(stage, "say").outcome == "failed"


def test_a_text_that_failed_resolves_to_the_same_after_a_restart() -> None:
    stage = Stage()
    stage.say(TEXT)
    stage.begin()
    stage.done(status="failed")
    assert same_after_restart(stage, "say").outcome == "failed"


def test_an_interruption_resolves_to_the_same_after_a_restart() -> None:
    stage = Stage()
    stage.interrupt()
    after = stage.after_restart()
    assert after.conversation.recalls("interrupt")
    assert after.resolved("interrupt") is False


def test_a_change_of_the_configuration_resolves_to_the_same_after_a_restart() -> None:
    stage = Stage()
    stage.update(tools=[TALK])
    stage.tell(p.Configured(matches=True))
    same_after_restart(stage, "update")


def test_a_change_that_was_not_confirmed_is_confirmed_with_the_next_link() -> None:
    stage = Stage()
    stage.update(tools=[TALK])
    stage.lose_link()
    stage.wait(60)
    assert stage.resolved("update") is None
    stage.relink()
    assert stage.resolved("update") == e.Updated(tool_targets={"talk": "shop.talk"})


def test_commands_of_an_attempt_that_was_replaced_are_forgotten() -> None:
    stage = Stage()
    stage.say(TEXT)
    stage.supersede(2)
    lost = {"attempt": 1, "detail": ""}
    stage.effects.append(e.Log(type="handler.lost", data=lost))
    after = stage.after_restart()
    assert not after.conversation.recalls("say")
    after.relink()
    after.wait(60)
    assert not after.resolutions("say")
