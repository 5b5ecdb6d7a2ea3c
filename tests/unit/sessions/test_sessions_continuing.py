"""Conversations that nobody listened to for a while: after a restart, and after a lost link."""

from __future__ import annotations

from typing import Any

import pytest
from unit.sessions.away import TEXT, Away, found_call
from unit.sessions.stage import Stage

from agentfield.sessions import effects as e
from agentfield.sessions import provider as p
from agentfield.sessions.leading import Leader
from agentfield.sessions.resuming import CHECK_SECONDS, MAX_PROBES, PROBE_TEXT, missed

pytestmark = pytest.mark.unit


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
