"""Tool calls of conversations that nobody listened to for a while."""

from __future__ import annotations

import pytest
from unit.sessions.away import Away, found_call
from unit.sessions.called import begun
from unit.sessions.stage import TALK, Stage

from agentfield.sessions import effects as e
from agentfield.sessions import provider as p
from agentfield.sessions.leading import Leader
from agentfield.sessions.resuming import CHECK_SECONDS
from agentfield.sessions.tools import output_item_id

pytestmark = pytest.mark.unit


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


def watched_by_a_page() -> Stage:
    stage = Stage(Leader.PROVIDER, live=False)
    stage.link(data_channel=True)
    stage.tell(p.Configured(matches=True))
    return stage


def test_a_call_that_a_page_may_have_put_in_does_not_run_and_the_model_may_call_again(
    away: Away,
) -> None:
    stage = away(watched_by_a_page())
    stage.relink(last="call-1-item")
    stage.tell(found_call())
    assert not stage.all(e.RunTool)
    assert "Call it again." in stage.one("tool.refused")["message"]
    assert len(stage.outputs()) == 1
    assert stage.asks() == 1


def test_a_call_that_the_model_was_seen_to_begin_runs_whoever_else_may_put_calls_in(
    away: Away,
) -> None:
    stage = watched_by_a_page()
    stage.tell(p.ItemAdded(item_id="call-1-item", previous_item_id=None, type="function_call"))
    stage = away(stage)
    stage.relink(last="call-1-item")
    stage.tell(found_call())
    assert len(stage.all(e.RunTool)) == 1


def test_a_call_that_somebody_put_in_is_not_looked_up(away: Away) -> None:
    stage = watched_by_a_page()
    stage.tell(
        p.ItemAdded(item_id="forged", previous_item_id=None, type="function_call", whole=True)
    )
    stage = away(stage)
    stage.relink(last="forged")
    assert not stage.looked_up()


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
