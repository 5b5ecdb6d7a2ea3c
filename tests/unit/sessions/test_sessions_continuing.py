"""Conversations that nobody listened to for a while: after a restart, and after a lost link."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from unit.sessions.stage import TALK, Stage

from agentfield.sessions import effects as e
from agentfield.sessions import provider as p
from agentfield.sessions.leading import Leader
from agentfield.sessions.pieces import ADRIFT_SECONDS
from agentfield.sessions.resuming import CHECK_SECONDS, MAX_PROBES, PROBE_TEXT, missed
from agentfield.sessions.tools import output_item_id

pytestmark = pytest.mark.unit

TEXT = "One two three four five six."
Away = Callable[[Stage], Stage]


def restarted(stage: Stage) -> Stage:
    """Return the stage of a process that begins with the log of another."""
    return stage.after_restart()


def unlinked(stage: Stage) -> Stage:
    """Return the same stage, without its link."""
    stage.lose_link()
    stage.effects.clear()
    stage.wait(1)
    return stage


@pytest.fixture(params=[restarted, unlinked])
def away(request: pytest.FixtureRequest) -> Any:
    """Return what comes after nobody listened."""
    return request.param


def begun(leader: Leader = Leader.PROVIDER, **declared: Any) -> Stage:
    stage = Stage(leader, **declared)
    stage.tell(p.SpeechBegun(response_id="resp-1"))
    return stage


def found_turn(item: str = "user-2", text: str = "And you?", **facts: Any) -> p.ItemFound:
    return p.ItemFound(
        item_id=item,
        type="message",
        role="user",
        status="completed",
        spoken=True,
        text=text,
        **facts,
    )


def found_call(item: str = "call-1-item", status: str = "completed") -> p.ItemFound:
    return p.ItemFound(
        item_id=item,
        type="function_call",
        status=status,
        call_id="call-1",
        name="look",
        arguments='{"n": 1}',
    )


# --- the gap ---


def test_the_gap_is_told_and_one_item_of_ours_stands_at_the_end_for_a_moment(away: Away) -> None:
    stage = away(Stage())
    stage.relink(answers=False)
    assert stage.one("provider.gap") == {"from": "then", "to": "now"}
    (probe,) = stage.sent(p.Probe)
    assert not stage.sent(p.DeleteItem)
    stage.answer_probe()
    assert [command.item_id for command in stage.sent(p.DeleteItem)] == [probe.item_id]
    assert not stage.logged("item.added")
    assert not stage.looked_up()
    assert stage.is_quiet()


def test_what_follows_the_item_of_ours_follows_what_was_before_it(away: Away) -> None:
    stage = Stage()
    stage.tell(p.ItemAdded(item_id="user-1", previous_item_id=None, type="message", role="user"))
    stage = away(stage)
    stage.relink(last="user-1")
    probe = stage.sent(p.Probe)[-1].item_id
    stage.tell(
        p.TurnCommitted(item_id="user-2", previous_item_id=probe),
        p.ItemAdded(item_id="user-2", previous_item_id=probe, type="message", role="user"),
    )
    assert stage.one("turn.committed")["previous_item_id"] == "user-1"
    assert stage.logged("item.added")[-1]["previous_item_id"] == "user-1"


def test_a_last_item_that_is_known_is_not_looked_up(away: Away) -> None:
    stage = Stage()
    stage.tell(p.ItemAdded(item_id="user-1", previous_item_id=None, type="message", role="user"))
    stage = away(stage)
    stage.relink(last="user-1")
    assert not stage.looked_up()


def test_an_item_of_ours_that_was_left_behind_is_taken_out_and_looked_behind(away: Away) -> None:
    stage = away(Stage())
    stage.relink(last="left")
    left = p.ItemFound(item_id="left", type="message", role="system", text=PROBE_TEXT)
    stage.tell(left)
    assert stage.sent(p.DeleteItem)[-1].item_id == "left"
    assert len(stage.sent(p.Probe)) == 2
    stage.answer_probe("user-2")
    stage.tell(found_turn())
    assert stage.one("turn.transcribed") == {"item_id": "user-2", "text": "And you?"}


def test_a_provider_that_gives_the_same_answer_is_not_asked_for_ever(away: Away) -> None:
    stage = away(Stage())
    stage.relink(answers=False)
    for number in range(2 * MAX_PROBES):
        stage.answer_probe(f"left-{number}")
        left = p.ItemFound(item_id=f"left-{number}", type="message", role="system", text=PROBE_TEXT)
        stage.tell(left)
    assert len(stage.sent(p.Probe)) == MAX_PROBES


def test_nothing_is_asked_until_what_was_missed_is_known_or_the_provider_is_silent(
    away: Away,
) -> None:
    stage = away(Stage())
    stage.relink(answers=False)
    stage.say(TEXT)
    assert not stage.asks()
    stage.wait(CHECK_SECONDS)
    assert stage.asks() == 1


@pytest.mark.parametrize("refused", [False, True])
def test_an_item_of_ours_that_is_refused_or_lost_keeps_nothing_up(
    away: Away,
    refused: bool,
) -> None:
    stage = away(Stage())
    stage.relink(answers=False)
    if refused:
        stage.tell(p.ItemMissing(item_id=stage.sent(p.Probe)[-1].item_id))
    else:
        stage.wait(CHECK_SECONDS)
    stage.say(TEXT)
    assert stage.asks() == 1


SPOKEN = found_turn("i", "Hi.")
TYPED = p.ItemFound(item_id="i", type="message", role="user", text="Hi.")
SAID = p.ItemFound(item_id="i", type="message", role="assistant", spoken=True, text="Hi.")
OUTPUT = p.ItemFound(item_id="i", type="function_call_output", call_id="c")


@pytest.mark.parametrize(
    ("item", "known", "kinds"),
    [
        (SPOKEN, False, [p.ItemAdded, p.TurnCommitted, p.Heard]),
        (SPOKEN, True, [p.Heard]),
        (found_turn("i", ""), False, [p.ItemAdded, p.TurnCommitted]),
        (found_turn("i", ""), True, []),
        (TYPED, False, [p.ItemAdded]),
        (TYPED, True, []),
        (SAID, False, [p.ItemAdded, p.AgentSaid]),
        (SAID, True, [p.AgentSaid]),
        (found_call(), False, [p.ItemAdded, p.ToolCalled]),
        (found_call(), True, [p.ToolCalled]),
        (found_call(status="in_progress"), False, [p.ItemAdded]),
        (found_call(status="incomplete"), True, []),
        (OUTPUT, False, [p.ItemAdded]),
        (OUTPUT, True, []),
    ],
)
def test_what_is_found_becomes_the_events_that_were_missed(
    item: p.ItemFound,
    known: bool,
    kinds: list[type],
) -> None:
    assert [type(event) for event in missed(item, known=known, response_id="")] == kinds


# --- turns ---


@pytest.mark.parametrize(
    ("leader", "asks"), [(Leader.HANDLER, 0), (Leader.MODEL, 1), (Leader.PROVIDER, 0)]
)
def test_a_turn_that_is_found_is_answered_by_whoever_leads(
    away: Away, leader: Leader, asks: int
) -> None:
    stage = away(Stage(leader))
    stage.relink(last="user-2")
    assert stage.looked_up() == ["user-2"]
    stage.tell(found_turn())
    assert stage.log("turn.committed", "turn.transcribed") == ["turn.committed", "turn.transcribed"]
    assert stage.asks() == asks


def test_the_words_of_a_turn_that_came_meanwhile_are_looked_up(away: Away) -> None:
    stage = Stage()
    stage.user_says(None)
    stage = away(stage)
    stage.relink(last="user-1")
    assert stage.looked_up() == ["user-1"]
    stage.tell(found_turn("user-1", "Hello."))
    assert stage.one("turn.transcribed")["text"] == "Hello."
    stage.wait(60)
    assert not stage.logged("turn.timed_out")


def test_words_that_nobody_knows_are_given_up_after_their_whole_time(away: Away) -> None:
    stage = Stage()
    stage.user_says(None)
    stage = away(stage)
    stage.relink(last="user-1")
    stage.tell(p.ItemFound(item_id="user-1", type="message", role="user", spoken=True))
    assert not stage.logged("turn.timed_out")
    stage.wait(6)
    assert stage.one("turn.timed_out") == {"item_id": "user-1"}


def test_a_turn_is_not_committed_twice(away: Away) -> None:
    stage = Stage()
    stage.user_says()
    stage = away(stage)
    stage.relink(last="user-1")
    stage.user_says()
    assert not stage.logged("turn.committed")


def test_a_turn_that_nobody_was_asked_to_answer_is_answered_after_a_restart() -> None:
    stage = Stage(Leader.MODEL, live=False)
    stage.link()
    stage.user_says()
    assert not stage.asks()  # its configuration is not confirmed
    stage = stage.after_restart()
    stage.relink(last="user-1")
    assert stage.asks() == 1
    stage = stage.after_restart()
    stage.relink(last="user-1")
    assert stage.asks() == 0


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


# --- tools ---


def test_a_call_without_an_output_joins_its_execution_after_a_restart() -> None:
    stage = begun()
    stage.call()
    (first,) = stage.all(e.RunTool)
    stage.start_tool()
    after = stage.after_restart()
    assert after.all(e.RunTool) == [first]
    after.start_tool()
    assert not after.logged("tool.started")
    after.finish()
    assert after.one("tool.finished")["call_id"] == "call-1"
    assert len(after.outputs()) == 1


def test_a_call_runs_as_it_was_made_although_the_tools_have_changed() -> None:
    stage = begun()
    stage.call()
    stage.update(tools=[TALK])
    after = stage.after_restart()
    after.update(tools=[TALK])
    assert [run.target for run in after.all(e.RunTool)] == ["shop.look"]


def test_an_output_that_is_not_in_the_conversation_is_sent_again_with_its_id(away: Away) -> None:
    stage = begun()
    stage.call()
    stage.done()
    stage.finish()
    (sent,) = stage.sent(p.SendToolOutput)
    stage = away(stage)
    stage.relink(last="call-1-item")
    assert sent.item_id in stage.looked_up()
    stage.tell(p.ItemMissing(item_id=sent.item_id))
    assert stage.sent(p.SendToolOutput) == [sent]


def test_an_output_that_is_in_the_conversation_is_delivered_and_not_sent_again(
    away: Away,
) -> None:
    stage = begun()
    stage.call()
    stage.done()
    stage.finish()
    (sent,) = stage.sent(p.SendToolOutput)
    stage = away(stage)
    stage.relink(last=sent.item_id)
    stage.tell(p.ItemFound(item_id=sent.item_id, type="function_call_output", call_id="call-1"))
    assert stage.one("tool.delivered") == {"call_id": "call-1", "item_id": sent.item_id}
    assert not stage.sent(p.SendToolOutput)
    assert not stage.logged("client.tampering")


def test_an_output_of_which_nothing_is_told_is_sent_again(away: Away) -> None:
    stage = begun()
    stage.call()
    stage.done()
    stage.finish()
    stage = away(stage)
    stage.relink(last="call-1-item")
    stage.wait(CHECK_SECONDS)
    assert len(stage.outputs()) == 1


def test_an_output_that_was_delivered_is_not_looked_up(away: Away) -> None:
    stage = begun()
    stage.call()
    stage.done()
    stage.finish()
    stage.tell(
        p.ItemAdded(
            item_id=output_item_id("secret_1", "call-1"),
            previous_item_id="call-1-item",
            type="function_call_output",
            call_id="call-1",
        )
    )
    stage = away(stage)
    stage.relink(last=output_item_id("secret_1", "call-1"))
    assert not stage.looked_up()


def test_the_model_is_asked_to_go_on_once(away: Away) -> None:
    stage = begun()
    stage.call()
    stage.done()
    stage = away(stage)
    stage.relink()
    assert not stage.asks()
    stage.finish()
    assert stage.asks() == 1
    stage = away(stage)
    stage.relink()
    stage.wait(CHECK_SECONDS)
    assert stage.asks() == 0


def test_the_model_goes_on_although_the_end_of_its_response_was_missed(away: Away) -> None:
    stage = begun()
    stage.call()
    stage = away(stage)
    stage.relink()
    stage.finish()
    stage.wait(60)
    assert stage.asks() == 1


def test_a_call_that_is_found_runs_and_the_model_goes_on(away: Away) -> None:
    stage = away(Stage(Leader.PROVIDER))
    stage.relink(last="call-1-item")
    stage.tell(found_call())
    assert len(stage.all(e.RunTool)) == 1
    stage.finish()
    assert len(stage.outputs()) == 1
    assert stage.asks() == 1


def test_a_call_that_is_found_and_told_of_runs_once_and_the_model_goes_on_once(
    away: Away,
) -> None:
    stage = begun()
    added = p.ItemAdded(item_id="call-1-item", previous_item_id=None, type="function_call")
    stage.tell(added)
    stage = away(stage)
    stage.relink(last="call-1-item")
    assert stage.looked_up() == ["call-1-item"]
    stage.tell(found_call())
    stage.call()
    stage.done()
    stage.finish()
    assert len(stage.all(e.RunTool)) == 1
    assert stage.asks() == 1
    stage.wait(60)
    assert stage.asks() == 1


def test_two_calls_that_are_found_let_the_model_go_on_once(away: Away) -> None:
    stage = Stage(Leader.PROVIDER)
    stage.tell(p.ItemAdded(item_id="call-1-item", previous_item_id=None, type="function_call"))
    stage = away(stage)
    stage.relink(last="call-2-item")
    second = p.ItemFound(
        item_id="call-2-item",
        type="function_call",
        status="completed",
        call_id="call-2",
        name="talk",
        arguments="{}",
    )
    stage.tell(found_call(), second)
    assert len(stage.all(e.RunTool)) == 2
    stage.finish("call-1")
    assert not stage.asks()
    stage.finish("call-2")
    assert stage.asks() == 1


def test_a_forged_output_that_is_found_is_taken_out(away: Away) -> None:
    stage = begun()
    stage.call()
    stage = away(stage)
    stage.relink(last="forged")
    stage.tell(p.ItemFound(item_id="forged", type="function_call_output", call_id="call-1"))
    assert stage.sent(p.DeleteItem)[-1].item_id == "forged"
    assert stage.one("client.tampering")["what"] == "tool_output"


def test_what_was_asked_for_with_tools_is_answered_after_all(away: Away) -> None:
    stage = Stage()
    stage.respond(instructions="Be brief.")
    stage.begin()
    stage.call()
    stage.done()
    stage = away(stage)
    stage.relink()
    stage.finish()
    assert stage.asked().instructions == "Be brief."
    stage.begin("resp-2")
    stage.speak("Seven.", "resp-2")
    assert stage.spoken("respond").heard_text == "Seven."


def test_after_an_interruption_the_model_does_not_go_on_after_a_restart_either() -> None:
    stage = Stage()
    stage.respond()
    stage.begin()
    stage.call()
    stage.done()
    stage.interrupt()
    after = stage.after_restart()
    after.relink(last="call-1-item")
    after.finish()
    assert not after.asks()
    assert after.spoken("respond").outcome == "cancelled"


def test_a_newer_turn_is_not_overtaken_by_going_on_after_a_restart() -> None:
    stage = begun()
    stage.call()
    stage.done(status="cancelled", reason="turn_detected")
    stage.user_says()
    after = stage.after_restart()
    after.relink(last="user-1")
    after.finish()
    assert not after.asks()
    assert len(after.outputs()) == 1


# --- what is counted ---


def test_tampering_is_counted_on_after_a_restart() -> None:
    stage = Stage()
    for _ in range(2):
        stage.tell(p.Configured(matches=False, differs=("tools",)))
        stage.tell(p.Configured(matches=True))
    assert [event["count"] for event in stage.logged("client.tampering")] == [1, 2]
    after = stage.after_restart()
    after.relink()
    after.tell(p.Configured(matches=False, differs=("tools",)))
    assert after.one("client.tampering")["count"] == 3
    assert after.end_reasons() == ["client_tampering"]


def test_usage_is_counted_on_after_a_restart() -> None:
    stage = Stage(Leader.PROVIDER)
    stage.done(usage={"total": 5})
    after = stage.after_restart()
    after.done("resp-2", usage={"total": 2})
    assert after.conversation.usage == {"total": 7}


# --- logs of older servers ---


def test_of_what_an_older_log_does_not_tell_nothing_is_made_up() -> None:
    stage = Stage(Leader.PROVIDER, live=False)
    stage.replay("session.connecting", provider_call_id="call_1", generation=1)
    stage.replay("agent.asked", command_id="cmd_9", kind="say", text="Hi.", attempt=1)
    stage.replay("agent.started", response_id="resp-9", command_id="cmd_9")
    call = {"call_id": "call-9", "name": "look", "target": "shop.look", "arguments": "{}"}
    stage.replay("tool.called", **call, source="model")
    stage.replay("tool.called", **{**call, "call_id": None}, source="client")
    stage.replay("configuration.changed", instructions="", tool_targets={})
    stage.resume()
    assert not stage.all(e.Resolve)
    stage.relink()
    stage.wait(60)
    assert stage.one("provider.gap")
    assert not stage.asks()
    assert not stage.all(e.RunTool)
