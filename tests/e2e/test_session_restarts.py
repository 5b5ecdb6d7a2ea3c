"""Calls go on while their server is killed, stopped and started again: the media never stops."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.storage import Storage
from support.voice import VoiceWorld, is_hang_up, voice_world

from agentfield.simulator import Call, Fault, Reply, Script
from agentfield.simulator.conformance import violations
from agentfield.simulator.journal import Entry
from agentfield.testing import VoiceCall, calling

pytestmark = pytest.mark.e2e

COUNT = Script(
    replies=[
        Reply(when="how many", calls=[Call(name="count", arguments={"thing": "hat"})]),
        Reply(when="seven hats", says="There are seven."),
    ]
)
SOME = "Nobody is in a hurry here, so that there is time to go down and to come up again. " * 3


@pytest.fixture(name="world")
async def _world(tmp_path: Path, storage: Storage) -> AsyncIterator[VoiceWorld]:
    async with voice_world(tmp_path, storage=storage) as processes:
        yield processes
        assert violations(processes.simulator.journal.entries()) == []


def told(world: VoiceWorld, kind: str, **facts: Any) -> list[Entry]:
    """Return what the provider was told by our sidebands."""
    entries = world.simulator.journal.entries(kind, direction="received", connection="sideband")
    return [entry for entry in entries if facts.items() <= entry.body.items()]


def outputs(world: VoiceWorld) -> list[Entry]:
    created = told(world, "conversation.item.create")
    return [e for e in created if e.body["item"]["type"] == "function_call_output"]


async def is_live_again(world: VoiceWorld, call: VoiceCall) -> None:
    """Wait until a call is attached again, and check that it is the same one."""
    await call.until("provider.gap")
    await call.until("session.live", generation=1)
    assert list(world.simulator.calls()) == [call.provider_call_id]
    assert not any(map(is_hang_up, world.simulator.journal.entries()))


async def test_a_quiet_call_outlives_a_killed_server(world: VoiceWorld) -> None:
    server = await world.server()
    await world.agents("stock.py", "desk.py")
    async with calling(world, "desk.model") as call:
        await call.until("session.live")
        call.say("One.")
        await call.until("agent.heard", text="One.")
        await server.kill()
        await world.server()
        await is_live_again(world, call)
        call.speak()
        await call.hears_voice()
        await call.until("agent.heard", text="Hello.")
        await call.hang_up()
        numbers = [event.sequence for event in call.events if event.sequence]
        assert numbers == list(range(1, len(numbers) + 1))
        assert await call.turns() == [
            ("user", "One."),
            ("agent", "One."),
            ("user", "Hello."),
            ("agent", "Hello."),
        ]
        session = await call.session()
        assert (session.end_reason, len(session.provider_calls)) == ("client_hangup", 1)


async def test_a_tool_that_runs_while_the_server_is_killed_runs_once_and_is_answered_once(
    world: VoiceWorld,
) -> None:
    world.simulator.script = COUNT
    server = await world.server(grace=20.0)
    await world.agents("stock.py", "desk.py")
    async with calling(world, "desk.counter") as call:
        await call.until("session.live")
        call.say("How many hats?")
        await call.until("tool.started")
        await world.until_noted(ran="count")
        await server.kill()
        await world.server(grace=20.0)
        await is_live_again(world, call)
        world.processes.gate.touch()
        await call.until("agent.heard", text="There are seven.", outcome="completed")
        (tool,) = await call.tools()
        assert (tool.status, tool.target) == ("succeeded", "desk.count")
        assert (await call.workflow()).shape == ("desk.counter", ("desk.count",))
    assert [note for note in world.notes() if "ran" in note] == [{"ran": "count"}]
    assert len(outputs(world)) == 1
    assert [e.data["kind"] for e in call.events if e.type == "agent.asked"] == ["continue"]


async def test_a_tool_that_ends_while_no_server_is_there_is_answered_once(
    world: VoiceWorld,
) -> None:
    world.simulator.script = COUNT
    server = await world.server(grace=20.0)
    await world.agents("stock.py", "desk.py")
    async with calling(world, "desk.counter") as call:
        await call.until("session.live")
        call.say("How many hats?")
        await world.until_noted(ran="count")
        await server.kill()
        world.processes.gate.touch()
        await world.server(grace=20.0)
        await is_live_again(world, call)
        await call.until("agent.heard", text="There are seven.", outcome="completed")
    assert [note for note in world.notes() if "ran" in note] == [{"ran": "count"}]
    assert len(outputs(world)) == 1


async def test_an_output_that_was_stored_and_not_sent_when_the_server_was_killed_is_sent_once(
    world: VoiceWorld,
) -> None:
    world.simulator.script = COUNT
    server = await world.server(grace=20.0)
    await world.agents("stock.py", "desk.py")
    async with calling(world, "desk.counter") as call:
        await call.until("session.live")
        call.say("How many hats?")
        await call.until("tool.started")
        unreachable = [Fault(on="sideband", status=503, times=10_000)]
        world.simulator.script = Script(faults=unreachable)
        world.simulator.drop_sidebands(call.provider_call_id)
        await call.until("provider.lost")
        world.processes.gate.touch()
        stored = await call.until("tool.output")
        await server.kill()
        assert outputs(world) == []
        world.simulator.script = COUNT
        await world.server(grace=20.0)
        await is_live_again(world, call)
        delivered = await call.until("tool.delivered")
        assert delivered.data["item_id"] == stored.data["item_id"]
        await call.until("agent.heard", text="There are seven.", outcome="completed")
    (sent,) = outputs(world)
    assert sent.body["item"]["id"] == stored.data["item_id"]


async def test_a_turn_that_was_spoken_while_no_server_was_there_reaches_the_handler(
    world: VoiceWorld,
) -> None:
    server = await world.server(grace=20.0)
    await world.agents("stock.py", "desk.py")
    async with calling(world, "desk.echo") as call:
        await call.until("session.live")
        call.say("One.")
        await call.until("agent.heard", text="You said: One.")
        await server.kill()
        call.say("Two.")
        await world.server(grace=20.0)
        await is_live_again(world, call)
        await call.until("agent.heard", text="You said: Two.", outcome="completed")
        assert await call.turns() == [
            ("user", "One."),
            ("agent", "You said: One."),
            ("user", "Two."),
            ("agent", "You said: Two."),
        ]
        attempts = [e.data["attempt"] for e in call.events if e.type == "handler.started"]
        assert attempts == [1]


async def test_what_is_being_said_while_the_server_is_killed_is_said_once(
    world: VoiceWorld,
) -> None:
    server = await world.server(grace=20.0)
    await world.agents("stock.py", "desk.py")
    async with calling(world, "desk.echo") as call:
        await call.until("session.live")
        call.say(SOME)
        await call.until("agent.said")
        await call.hears_voice()
        await server.kill()
        await world.server(grace=20.0)
        await is_live_again(world, call)
        await call.hears_voice()
        heard = await call.until("agent.heard", seconds=60)
        assert heard.data["full_text"] == f"You said: {SOME}".strip()
        assert heard.data["outcome"] == "completed"
        noted = await world.until_noted(outcome="completed")
        assert noted["said"] == f"You said: {SOME.strip()}"
        call.say("Next.")
        await call.until("agent.heard", text="You said: Next.")
    assert len(told(world, "response.create")) == 2


async def test_what_was_said_while_no_server_was_there_is_unknown_and_not_said_again(
    world: VoiceWorld,
) -> None:
    server = await world.server(grace=20.0)
    await world.agents("stock.py", "desk.py")
    async with calling(world, "desk.echo") as call:
        await call.until("session.live")
        call.say("One.")
        await call.until("agent.asked")
        await server.kill()
        await call.hears_voice()
        await call.hears_silence()
        await world.server(grace=20.0)
        await is_live_again(world, call)
        noted = await world.until_noted(said="You said: One.")
        assert noted["outcome"] == "unknown"
        call.say("Next.")
        await call.until("agent.heard", text="You said: Next.")
    assert len(told(world, "response.create")) == 2


async def test_a_server_that_is_told_to_stop_leaves_its_calls_to_the_next_one(
    world: VoiceWorld,
) -> None:
    server = await world.server(grace=20.0)
    await world.agents("stock.py", "desk.py")
    async with calling(world, "desk.echo") as call:
        await call.until("session.live")
        call.say("One.")
        await call.until("agent.heard", text="You said: One.")
        assert await server.terminate() == 0
        assert list(world.simulator.calls()) == [call.provider_call_id]
        await world.server(grace=20.0)
        await is_live_again(world, call)
        call.say("Two.")
        await call.until("agent.heard", text="You said: Two.")
        assert not [e for e in call.events if e.type == "handler.lost"]


async def test_a_call_that_ends_while_no_server_is_there_ends_its_session(
    world: VoiceWorld,
) -> None:
    server = await world.server()
    await world.agents("stock.py", "desk.py")
    async with calling(world, "desk.model") as call:
        await call.until("session.live")
        await server.kill()
        world.simulator.end(call.provider_call_id)
        await world.server()
        assert await call.ended(seconds=20) == "provider_closed"
