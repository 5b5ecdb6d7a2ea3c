"""Agents as processes of their own: signals."""

from __future__ import annotations

import asyncio
import signal

import pytest
from support.processes import PATIENCE, Process, World

from agentfield import Client
from agentfield_sdk import ExecutionHandle

pytestmark = [pytest.mark.e2e, pytest.mark.any_database]


AGENT = """
import time
from agentfield import Agent

app = Agent("slow")

@app.skill
def hold(seconds: float) -> str:
    print("holding", flush=True)
    time.sleep(seconds)
    return "held"

app.run()
"""


async def holding(world: World, client: Client, seconds: float) -> tuple[Process, ExecutionHandle]:
    """Start an agent and have it hold an execution for so long."""
    await world.server()
    agent = await world._start("-c", AGENT)
    async with asyncio.timeout(PATIENCE):
        while not any(node.connected for node in await client.nodes()):
            await asyncio.sleep(0.02)
    handle = await client.submit("slow.hold", seconds)
    assert await agent.line() == "holding"
    return agent, handle


async def test_the_first_signal_lets_running_work_finish(world: World, client: Client) -> None:
    agent, handle = await holding(world, client, 0.7)

    code = await agent.terminate()

    assert code == 0, agent.log.read_text()
    assert (await handle.get()).result == "held"
    assert not any(worker.connected for node in await client.nodes() for worker in node.workers)


async def test_the_second_signal_leaves_at_once_whatever_still_runs(
    world: World, client: Client
) -> None:
    agent, _ = await holding(world, client, 600.0)

    agent.signal(signal.SIGINT)
    async with asyncio.timeout(PATIENCE):
        while not any(w.draining for node in await client.nodes() for w in node.workers):
            await asyncio.sleep(0.02)

    async with asyncio.timeout(5.0):
        assert await agent.terminate() == 1
