"""Executions over real processes, kills included."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from support.processes import World

from agentfield import AgentFieldError, Client
from agentfield.v1 import errors

pytestmark = pytest.mark.e2e


async def ended(client: Client, execution_ids: list[str]) -> dict[str, Any]:
    """Wait until all executions have ended and return them by id."""
    found: dict[str, Any] = {}
    async with asyncio.timeout(60):
        for execution_id in execution_ids:
            async for execution in client.handle(execution_id).watch():
                found[execution_id] = execution
    return found


async def test_nested_calls_over_two_nodes_make_one_dag(world: World, client: Client) -> None:
    await world.server()
    await world.agent("tree.py", "left", "4")
    await world.agent("tree.py", "right", "2")

    handle = await client.submit("left.plan", other="right", steps=5)
    assert sorted(await handle.result()) == [0, 2, 4, 6, 8]

    dag = await client.workflow(handle.run_id)
    by_id = {e.execution_id: e for e in dag.executions}
    edges = Counter(
        (by_id[e.parent_execution_id].target if e.parent_execution_id else "", e.target)
        for e in dag.executions
    )
    assert edges == {
        ("", "left.plan"): 1,
        ("left.plan", "right.step"): 5,
        ("right.step", "left.leaf"): 5,
    }
    assert {e.status for e in dag.executions} == {"succeeded"}
    # Each step has a leaf of its own, and everything belongs to one run.
    leaves = [e.parent_execution_id for e in dag.executions if e.target == "left.leaf"]
    assert len(set(leaves)) == 5
    assert {e.run_id for e in dag.executions} == {handle.run_id}


async def test_a_parent_with_fifty_calls_to_its_own_worker_of_one_slot_finishes(
    world: World, client: Client
) -> None:
    await world.server()
    await world.agent("tree.py", "left", "1")

    assert await client.call("left.fan", calls=50) == 2 * sum(range(50))


async def test_trees_that_cross_two_workers_of_one_slot_each_all_finish(
    world: World, client: Client
) -> None:
    await world.server()
    await world.agent("tree.py", "left", "1")
    await world.agent("tree.py", "right", "1")

    async with asyncio.TaskGroup() as tasks:
        calls = [
            tasks.create_task(client.call(f"{a}.plan", other=b, steps=3))
            for a, b in [("left", "right"), ("right", "left")] * 5
        ]

    assert [call.result() for call in calls] == [[0, 2, 4]] * 10


async def test_an_agent_killed_loses_only_what_it_was_sent(world: World, client: Client) -> None:
    await world.server(grace=0.5)
    first = await world.agent("gated.py", "3")
    sent = [await client.submit("gated.once", name=f"sent-{i}") for i in range(2)]
    again = await client.submit("gated.again", name="again")
    await world.until(lambda: len(world.runs()) == 3)
    waiting = [await client.submit("gated.once", name=f"waiting-{i}") for i in range(3)]

    await first.kill()
    world.gate.touch()
    await world.agent("gated.py", "3")

    found = await ended(client, [h.execution_id for h in (*sent, again, *waiting)])
    assert [found[h.execution_id].error_reason for h in sent] == ["AGENT_LOST"] * 2
    assert [found[h.execution_id].result for h in waiting] == [f"waiting-{i}" for i in range(3)]
    assert (found[again.execution_id].result, found[again.execution_id].attempt) == ("again", 2)
    runs = Counter(world.runs())
    assert runs.pop("again") == 2
    assert set(runs.values()) == {1}
    assert len(runs) == 5
    with pytest.raises(errors.AgentLost):
        await sent[0].result()


async def test_a_server_killed_under_load_keeps_everything_it_acknowledged(
    world: World, client: Client
) -> None:
    server = await world.server(grace=20.0)
    await world.agent("gated.py", "64")
    held = [await client.submit("gated.once", name=f"held-{i}") for i in range(5)]
    await world.until(lambda: len(world.runs()) == 5)
    acknowledged: list[str] = []
    killed = asyncio.Event()

    async def load(lane: int) -> None:
        number = 0
        while not killed.is_set():
            number += 1
            handle = await client.submit("gated.quick", name=f"quick-{lane}-{number}")
            acknowledged.append(handle.execution_id)

    async with asyncio.TaskGroup() as tasks:
        for lane in range(20):
            tasks.create_task(load(lane))
        await world.until(lambda: len(acknowledged) > 300)
        await server.kill()
        world.gate.touch()  # the held ones finish, and report, while there is no server
        killed.set()
        await world.server(grace=20.0)

    everything = acknowledged + [h.execution_id for h in held]
    found = await ended(client, everything)
    assert {e.status for e in found.values()} == {"succeeded"}
    assert [found[h.execution_id].attempt for h in held] == [1] * 5
    runs = Counter(world.runs())
    assert all(runs[f"held-{i}"] == 1 for i in range(5))
    assert [name for name, count in runs.items() if count > 1] == []


async def test_three_thousand_calls_at_once_all_come_back(world: World, client: Client) -> None:
    await world.server()
    await world.agent("tree.py", "left", "256")

    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(client.call("left.leaf", i=i)) for i in range(3000)]

    assert [call.result() for call in calls] == [2 * i for i in range(3000)]


async def test_sigterm_lets_an_agent_finish_what_it_runs(world: World, client: Client) -> None:
    await world.server()
    agent = await world.agent("gated.py", "1")
    running = await client.submit("gated.once", name="running")
    await world.until(lambda: world.runs() == ["running"])
    waiting = await client.submit("gated.once", name="waiting")

    async with asyncio.TaskGroup() as tasks:
        leaving = tasks.create_task(agent.terminate())
        await until_draining(client)
        world.gate.touch()
    assert leaving.result() == 0
    assert await running.result() == "running"
    assert (await client.get(waiting.execution_id)).status == "queued"

    await world.agent("gated.py", "1")
    assert await waiting.result() == "waiting"
    assert world.runs() == ["running", "waiting"]


async def until_draining(client: Client) -> None:
    async with asyncio.timeout(10):
        while not any(w.draining for n in await client.nodes() for w in n.workers):
            await asyncio.sleep(0.01)


async def test_a_server_stopped_and_started_again_is_hardly_noticed(
    world: World, client: Client
) -> None:
    server = await world.server(grace=20.0)
    await world.agent("gated.py", "4")
    async with asyncio.TaskGroup() as tasks:
        call = tasks.create_task(client.call("gated.once", name="held"))
        await world.until(lambda: world.runs() == ["held"])
        assert await server.terminate() == 0
        await world.server(grace=20.0)
        world.gate.touch()

    assert call.result() == "held"
    assert world.runs() == ["held"]


async def test_cancelling_reaches_the_agent_and_frees_its_slot(
    world: World, client: Client
) -> None:
    await world.server()
    await world.agent("gated.py", "1")
    held = await client.submit("gated.once", name="held")
    await world.until(lambda: world.runs() == ["held"])

    await held.cancel("no longer needed")

    with pytest.raises(errors.ExecutionCancelled, match="no longer needed"):
        await held.result()
    # The only slot is free again although the gate never opened.
    assert await client.call("gated.quick", name="next") == "next"


async def test_errors_of_functions_reach_the_caller(world: World, client: Client) -> None:
    await world.server()
    await world.agent("tree.py", "left", "4")

    with pytest.raises(errors.InvalidInput, match="steps"):
        await client.call("left.plan", other="right", steps="many")
    with pytest.raises(AgentFieldError, match="right"):
        await client.call("left.plan", other="right", steps=1)
