"""Calls go on while nobody listens: links that break, and sessions that change hands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from support.links import UNKNOWN, Hands, is_live_again
from support.live import Desk, desk

from agentfield.simulator import Entry
from agentfield.simulator.conformance import violations
from agentfield.testing import Call, Fault, Order, Reply, Script, Simulator
from agentfield.v1 import errors, session_pb2
from agentfield_sdk import SessionEvent

pytestmark = pytest.mark.integration


COMPLETED = session_pb2.SPEECH_OUTCOME_COMPLETED
FIND = Call(name="find", arguments={"thing": "hat"})


@pytest.fixture(params=list(Order))
def order(request: pytest.FixtureRequest) -> Order:
    """Return the order in which the provider tells what happens at the same moment."""
    found: Order = request.param
    return found


async def told(provider: Simulator, type_: str, **facts: Any) -> Entry:
    """Wait until the provider has told something to those who listen."""
    return await provider.journal.until(
        lambda e: e.direction == "sent" and e.type == type_ and facts.items() <= e.body.items()
    )


def outputs(at: Desk) -> list[Entry]:
    created = at.sent("conversation.item.create")
    return [e for e in created if e.body["item"]["type"] == "function_call_output"]


def kinds_asked(events: Sequence[SessionEvent]) -> list[str]:
    return [event.data["kind"] for event in events if event.type == "agent.asked"]


async def test_a_link_that_breaks_is_attached_again_and_the_call_goes_on(order: Order) -> None:
    async with desk(script=Script(order=order)) as at:
        line, handler = await at.led()
        await line.until("session.live")
        call_id = await line.external_id()
        at.provider.drop_sidebands(call_id)
        await line.until("provider.lost")
        connecting = await line.until("session.connecting", generation=1)
        gap = await line.until("provider.gap")
        assert gap.data["from"] <= gap.data["to"]
        again = await line.until("session.live")
        assert again.data | {"data_channel": False} == connecting.data
        assert (await handler.say("Still here.")).spoken_text == "Still here."
        assert at.provider.calls() == [call_id]
        assert at.hang_ups() == []
        await line.end()


# --- a turn that was spoken meanwhile ---


async def test_a_turn_that_was_spoken_while_nobody_listened_goes_to_the_handler(
    hands: Hands, order: Order
) -> None:
    async with desk(script=Script(order=order)) as at:
        line, handler = await at.led()
        await line.say("One.")
        await handler.until("turn.transcribed", text="One.")
        async with hands.away(line) as provider:
            await line.say("Two.")
            await told(
                provider, "conversation.item.input_audio_transcription.completed", transcript="Two."
            )
        await handler.open(after_sequence=0)
        await line.until("provider.gap")
        await line.until("turn.transcribed", text="Two.")
        await line.say("Three.")
        await line.until("turn.transcribed", text="Three.")
        assert [turn.text for turn in (await line.get()).turns] == ["One.", "Two.", "Three."]
        assert (await handler.say("Well.")).heard_text == "Well."
        assert violations(provider.journal.entries()) == []
        await line.end()


async def test_a_turn_that_was_spoken_while_nobody_listened_is_answered_once_by_the_model(
    hands: Hands, order: Order
) -> None:
    async with desk(script=Script(order=order)) as at:
        line, handler = await at.led()
        await handler.returned()
        async with hands.away(line) as provider:
            await line.say("How are you?")
            await told(provider, "conversation.item.input_audio_transcription.completed")
        await line.until("agent.heard", text="How are you?", outcome="completed")
        await line.end()
        assert kinds_asked(await line.read()) == ["answer"]


async def test_what_the_provider_does_not_tell_is_a_gap_and_not_guessed(hands: Hands) -> None:
    async with desk() as at:
        line = await (await at.start("plain")).connect()
        async with hands.away(line) as provider:
            await line.say("Lost.")
            await told(provider, "output_audio_buffer.stopped")
        await line.until("provider.gap")
        await line.until("agent.said", text="Lost.")
        await line.say("Found.")
        await line.until("agent.heard", text="Found.")
        turns = [(turn.role, turn.full_text or turn.text) for turn in (await line.get()).turns]
        assert turns == [("agent", "Lost."), ("user", "Found."), ("agent", "Found.")]
        await line.end()


async def test_the_probe_leaves_nothing_behind(hands: Hands) -> None:
    async with desk() as at:
        line, handler = await at.led()
        await handler.say("One.")
        async with hands.away(line):
            pass
        await at.has_sent("conversation.item.delete")
        await line.say("Two.")
        await line.until("turn.transcribed")
        put = [e.body["item"]["id"] for e in at.sent("conversation.item.create")]
        taken = [e.body["item_id"] for e in at.sent("conversation.item.delete")]
        assert put == taken
        assert len(put) == 1
        await line.end()
        linked = [
            e.data["previous_item_id"] for e in await line.read() if e.type == "turn.committed"
        ]
        added = [e.data["item_id"] for e in await line.read() if e.type == "item.added"]
        assert linked == added[:1]


# --- tools ---


async def test_a_tool_that_runs_meanwhile_runs_once_and_is_answered_once(
    hands: Hands, order: Order
) -> None:
    script = Script(
        order=order,
        replies=[Reply(when="how many", calls=[FIND]), Reply(when="seven", says="Seven.")],
    )
    async with desk(script=script) as at:
        line = await (await at.start("plain")).connect()
        await line.say("How many?")
        work = at.worker.accept(await at.worker.take())
        called = await line.until("tool.started")
        async with hands.away(line):
            await at.worker.report(work, result=b'"seven"')
        await line.until("tool.finished", execution_id=called.data["execution_id"])
        await line.until("agent.heard", text="Seven.")
        invoked = await line.invoke("x", call_id=called.data["call_id"])
        assert invoked.execution_id == called.data["execution_id"]
        await line.end()
        types = await line.types()
        for once in (
            "tool.called",
            "tool.started",
            "tool.finished",
            "tool.output",
            "tool.delivered",
        ):
            assert types.count(once) == 1, once
        assert kinds_asked(await line.read()) == ["continue"]
        assert len(outputs(at)) == 1


async def test_an_output_that_was_stored_while_there_was_no_link_is_sent_once() -> None:
    replies = [Reply(when="how many", calls=[FIND]), Reply(when="seven", says="Seven.")]
    async with desk(script=Script(replies=replies)) as at:
        line = await (await at.start("plain")).connect()
        await line.say("How many?")
        work = at.worker.accept(await at.worker.take())
        await line.until("response.done")
        at.provider.script = Script(faults=[Fault(on="sideband", status=503, times=3)])
        at.provider.drop_sidebands(await line.external_id())
        await line.until("provider.lost")
        await at.worker.report(work, result=b'"seven"')
        stored = await line.until("tool.output")
        at.provider.script = Script(replies=replies[1:])
        delivered = await line.until("tool.delivered")
        assert delivered.data["item_id"] == stored.data["item_id"]
        await line.until("agent.heard", text="Seven.")
        assert len(outputs(at)) == 1
        await line.end()


async def test_a_tool_of_the_client_has_its_end_in_the_log(hands: Hands) -> None:
    async with desk() as at:
        line = await (await at.start("plain")).connect()
        invoked = await line.invoke("find")
        work = at.worker.accept(await at.worker.take())
        async with hands.away(line):
            await at.worker.report(work)
        finished = await line.until("tool.finished", execution_id=invoked.execution_id)
        assert (finished.data["call_id"], finished.data["status"]) == (None, "succeeded")
        await line.end()
        assert (await line.types()).count("tool.finished") == 1


# --- what a handler says ---


async def test_what_is_said_meanwhile_is_said_once_and_a_repeat_learns_how_it_went(
    hands: Hands, order: Order
) -> None:
    replies = [Reply(when="slowly", says="Slowly.", speaks_ms=1500)]
    slow = Script(order=order, replies=replies)
    async with desk(script=slow) as at:
        line, handler = await at.led()
        saying = at.begin(handler.say("Slowly.", request_id="r"))
        await line.until("agent.said")
        async with hands.away(line):
            with pytest.raises(errors.ServerDraining):
                await saying
        spoken = await handler.say("Slowly.", request_id="r")
        assert (spoken.heard_text, spoken.outcome) == ("Slowly.", COMPLETED)
        assert len(at.sent("response.create")) == 1
        again = await handler.say("Slowly.", request_id="r")
        assert again == spoken
        async with hands.away(line):
            pass
        assert await handler.say("Slowly.", request_id="r") == spoken
        assert len(at.sent("response.create")) == 1
        await line.end()


async def test_what_was_said_to_its_end_meanwhile_is_unknown(hands: Hands) -> None:
    async with desk() as at:
        line, handler = await at.led()
        saying = at.begin(handler.say("Hi.", request_id="r"))
        await line.until("agent.asked")
        async with hands.away(line) as provider:
            with pytest.raises(errors.ServerDraining):
                await saying
            await told(provider, "output_audio_buffer.stopped")
        spoken = await handler.say("Hi.", request_id="r")
        assert spoken.outcome == UNKNOWN
        assert len(at.sent("response.create")) == 1
        await line.end()


async def test_what_the_handler_has_changed_is_put_into_force_again(hands: Hands) -> None:
    async with desk() as at:
        line, handler = await at.led()
        await handler.update(instructions="Be brief.", tools=[])
        async with hands.away(line):
            pass
        await is_live_again(line)
        update = at.sent("session.update")[-1].body["session"]
        assert (update["instructions"], update["tools"]) == ("Be brief.", [])
        await line.end()
