"""Calls on two servers that share a database: used by way of either, and taken over from the other."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.live import until
from support.pair import Pair, voice_pair
from support.postgres import Postgres
from support.voice import is_hang_up

from agentfield import Client
from agentfield.simulator import Call, Reply, Script
from agentfield.simulator.conformance import violations
from agentfield.simulator.journal import Entry
from agentfield.testing import VoiceCall, calling

pytestmark = pytest.mark.e2e

TAKEN_SECONDS = 45.0
"""A lease, a poll, and the patience that a busy machine needs."""
COUNT = Script(
    replies=[
        Reply(when="how many", calls=[Call(name="count", arguments={"thing": "hat"})]),
        Reply(when="seven hats", says="There are seven."),
    ]
)


@pytest.fixture(name="pair")
async def _pair(tmp_path: Path, postgres: Postgres) -> AsyncIterator[Pair]:
    async with voice_pair(tmp_path, postgres, "stock.py", "desk.py") as pair:
        yield pair
        assert violations(pair.simulator.journal.entries()) == []


def outputs(pair: Pair) -> list[Entry]:
    """Return the outputs of tools that the provider was sent."""
    type_ = "conversation.item.create"
    created = pair.simulator.journal.entries(type_, direction="received", connection="sideband")
    return [e for e in created if e.body["item"]["type"] == "function_call_output"]


async def is_live_again(pair: Pair, call: VoiceCall) -> None:
    """Wait until a call is attached again, and check that it is the same one."""
    await call.until("provider.gap", seconds=TAKEN_SECONDS)
    await call.until("session.live", seconds=TAKEN_SECONDS, generation=1)
    assert list(pair.simulator.calls()) == [call.provider_call_id]
    assert not any(map(is_hang_up, pair.simulator.journal.entries()))


async def goes_on(call: VoiceCall, words: str) -> None:
    """Have the handler hear and answer something."""
    call.say(words)
    await call.until(
        "agent.heard", text=f"You said: {words}", outcome="completed", seconds=TAKEN_SECONDS
    )


def attempts(call: VoiceCall) -> list[Any]:
    return [e.data["attempt"] for e in call.events if e.type == "handler.started"]


async def test_rest_at_one_server_reaches_a_call_that_the_other_owns(pair: Pair) -> None:
    async with calling(pair, "desk.model") as call:
        await call.until("session.live")
        call.say("One.")
        await call.until("agent.heard", text="One.")
        execution_id = await call.invoke("look_up", thing="hat")
        await call.until("tool.finished", execution_id=execution_id, status="succeeded")
        await call.hang_up()
        assert (await call.session()).end_reason == "client_hangup"
    asked = await pair.rows("SELECT DISTINCT kind FROM session_commands")
    assert {kind for (kind,) in asked} <= {"TakeOffer", "InvokeTool", "EndSession"}


async def test_a_handler_runs_where_its_worker_is_whichever_server_was_asked(pair: Pair) -> None:
    async with calling(pair, "desk.echo") as call:
        await goes_on(call, "One.")
        asked = await pair.rows(
            "SELECT DISTINCT kind FROM session_commands WHERE session_id = ?", call.session_id
        )
        assert asked == [("TakeOffer",)]
        await call.hang_up()
        assert attempts(call) == [1]


async def test_a_call_outlives_the_server_that_owned_it(pair: Pair) -> None:
    async with calling(pair, "desk.echo") as call:
        await goes_on(call, "One.")
        owner, epoch = await pair.owner(call.session_id)
        await pair.first.kill()
        await is_live_again(pair, call)
        assert await pair.owner(call.session_id) != (owner, epoch)
        await goes_on(call, "Two.")
        call.speak()
        await call.hears_voice(seconds=TAKEN_SECONDS)
        assert attempts(call) == [1]
        await call.hang_up()


async def test_a_tool_runs_once_and_is_answered_once_although_the_owner_is_killed(
    pair: Pair,
) -> None:
    pair.simulator.script = COUNT
    async with calling(pair, "desk.counter") as call:
        # A session without a handler runs where it was asked for.
        await call.until("session.live")
        call.say("How many hats?")
        await call.until("tool.started")
        await pair.voice.until_noted(ran="count")
        await pair.second.kill()
        await is_live_again(pair, call)
        pair.voice.processes.gate.touch()
        await call.until("agent.heard", text="There are seven.", seconds=TAKEN_SECONDS)
        (tool,) = await call.tools()
        assert (tool.status, tool.target) == ("succeeded", "desk.count")
        assert (await call.workflow()).shape == ("desk.counter", ("desk.count",))
        await pair.other.server()  # the page hangs up there
    assert [note for note in pair.voice.notes() if "ran" in note] == [{"ran": "count"}]
    assert len(outputs(pair)) == 1


async def test_a_server_that_is_told_to_stop_hands_its_calls_over(pair: Pair) -> None:
    async with calling(pair, "desk.echo") as call:
        await goes_on(call, "One.")
        assert await pair.first.terminate() == 0
        await is_live_again(pair, call)
        await goes_on(call, "Two.")
        assert attempts(call) == [1]
        await call.hang_up()


async def test_a_server_that_was_out_of_the_world_writes_nothing_when_it_is_back(
    pair: Pair,
) -> None:
    async with calling(pair, "desk.echo") as call:
        await goes_on(call, "One.")
        owner, epoch = await pair.owner(call.session_id)
        pair.first.signal(signal.SIGSTOP)
        try:
            await is_live_again(pair, call)
            call.say("Two.")
            await call.until("turn.transcribed", text="Two.", seconds=TAKEN_SECONDS)
        finally:
            pair.first.signal(signal.SIGCONT)

        async def is_back() -> bool:
            sql = "SELECT replica_id FROM replicas WHERE lease_until > ?"
            there = {replica_id for (replica_id,) in await pair.rows(sql, pair.database.now())}
            return len(there) == 2 and owner not in there

        await until(is_back, seconds=TAKEN_SECONDS)
        await call.until("agent.heard", text="You said: Two.", seconds=TAKEN_SECONDS)
        async with Client(pair.voice.grpc_address) as client:
            assert (await client.sessions.get(call.session_id)).state == "live"
        await goes_on(call, "Three.")
        assert attempts(call) == [1]
        await call.hang_up()
        sql = "SELECT owner_epoch FROM session_events WHERE session_id = ? ORDER BY sequence"
        epochs = [row[0] for row in await pair.rows(sql, call.session_id)]
        assert epochs == sorted(epochs)
        assert epochs[-1] > epoch
        spoken = [e for e in call.events if e.type == "agent.asked"]
        assert len(spoken) == 3
    assert await asyncio.wait_for(pair.first.terminate(), TAKEN_SECONDS) == 0
