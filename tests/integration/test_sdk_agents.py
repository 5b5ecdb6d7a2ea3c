"""Agents and clients of the SDK on a real control plane."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
from support.plane import PATIENCE, Plane, config_for, keyring, running_plane
from support.storage import Storage

from agentfield import Agent, Client
from agentfield.app import running
from agentfield.identity import Caller
from agentfield.v1 import errors
from agentfield_sdk import ExecutionHandle, current

pytestmark = pytest.mark.integration


@pytest.fixture
async def client(plane: Plane) -> AsyncIterator[Client]:
    async with Client(plane.app.grpc_address) as client:
        yield client


def agent_of(plane: Plane, node_id: str, **options: Any) -> Agent:
    return Agent(node_id, server=plane.app.grpc_address, **options)


async def until(handle: ExecutionHandle, status: str) -> None:
    async with asyncio.timeout(PATIENCE):
        async for execution in handle.watch():
            if execution.status == status:
                return


async def test_nested_calls_over_two_nodes_are_one_workflow(plane: Plane, client: Client) -> None:
    outer, inner = agent_of(plane, "outer"), agent_of(plane, "inner")

    @outer.reasoner
    async def total(numbers: list[int]) -> int:
        async with asyncio.TaskGroup() as tasks:
            squares = [tasks.create_task(outer.call("inner.square", n)) for n in numbers]
        return sum(task.result() for task in squares)

    @inner.skill
    async def square(n: int) -> int:
        return int(await inner.call("inner.times", n, by=n))

    @inner.skill
    def times(n: int, by: int) -> int:
        return n * by

    async with outer.serving(), inner.serving():
        handle = await client.submit("outer.total", [1, 2, 10**18])
        assert await handle.result() == 5 + 10**36

    workflow = await client.workflow(handle.run_id)
    by_id = {execution.execution_id: execution for execution in workflow.executions}
    parents = {
        (e.target, by_id[e.parent_execution_id].target if e.depth else "") for e in by_id.values()
    }
    assert parents == {
        ("outer.total", ""),
        ("inner.square", "outer.total"),
        ("inner.times", "inner.square"),
    }
    assert (workflow.status, workflow.total_executions, workflow.max_depth) == ("succeeded", 7, 2)


async def test_an_agent_that_works_on_one_thing_at_a_time_can_call_itself(
    plane: Plane, client: Client
) -> None:
    app = agent_of(plane, "node", max_executions=1)

    @app.reasoner
    async def factorial(n: int) -> int:
        return n * int(await app.call("node.factorial", n - 1)) if n else 1

    async with app.serving(), asyncio.timeout(PATIENCE):
        assert await client.call("node.factorial", 8) == 40320


async def test_a_failure_has_the_same_class_and_words_whichever_way_it_is_waited_for(
    plane: Plane, client: Client
) -> None:
    app = agent_of(plane, "node")

    @app.skill
    async def fail(code: int) -> None:
        raise ValueError(f"code {code}")

    @app.reasoner
    async def relay() -> None:
        await app.call("node.fail", 7)

    async with app.serving():
        with pytest.raises(errors.ExecutionFailed, match=r"^ValueError: code 7$"):
            await client.call("node.fail", code=7)
        with pytest.raises(errors.ExecutionFailed, match=r"^ValueError: code 7$"):
            await client.call("node.relay")
        handle = await client.submit("node.fail", code=7)
        with pytest.raises(errors.ExecutionFailed, match=r"^ValueError: code 7$"):
            await handle.result()
        with pytest.raises(errors.InvalidInput, match="code: "):
            await client.call("node.fail", code="seven")


async def test_cancelling_stops_the_function_and_everything_it_called(
    plane: Plane, client: Client
) -> None:
    app = agent_of(plane, "node")
    inside, stopped = asyncio.Event(), asyncio.Event()

    @app.skill
    async def wait() -> None:
        inside.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    @app.reasoner
    async def outer() -> None:
        await app.call("node.wait")

    async with app.serving(), asyncio.timeout(PATIENCE):
        handle = await client.submit("node.outer")
        await inside.wait()
        assert (await handle.cancel("enough")).status == "cancelled"
        await stopped.wait()
        with pytest.raises(errors.ExecutionCancelled):
            await handle.result()

    statuses = [e.status async for e in client.executions(run_id=handle.run_id)]
    assert statuses == ["cancelled", "cancelled"]


async def test_an_execution_that_takes_too_long_is_timed_out(plane: Plane, client: Client) -> None:
    app = agent_of(plane, "node")
    stopped = asyncio.Event()

    @app.skill
    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with app.serving(), asyncio.timeout(PATIENCE):
        with pytest.raises(errors.ExecutionTimedOut):
            await client.with_options(timeout=0.2).call("node.wait")
        await stopped.wait()


async def test_a_repeated_request_id_shares_one_execution(plane: Plane, client: Client) -> None:
    app = agent_of(plane, "node")
    runs: list[str] = []

    @app.skill
    async def count() -> int:
        context = current()
        runs.append(context.execution_id if context else "")
        return len(runs)

    async with app.serving():
        once = client.with_options(request_id="once")
        assert [await once.call("node.count"), await once.call("node.count")] == [1, 1]

    assert len(runs) == 1


async def test_a_result_that_is_too_large_says_so(storage: Storage) -> None:
    config = config_for(storage, max_payload_bytes=1000)
    async with running_plane(config) as plane, Client(plane.app.grpc_address) as client:
        app = agent_of(plane, "node")

        @app.skill
        def text(length: int) -> str:
            return "x" * length

        async with app.serving():
            assert len(await client.call("node.text", 900)) == 900
            with pytest.raises(errors.PayloadTooLarge):
                await client.call("node.text", 2000)


async def test_running_work_and_those_who_wait_outlive_a_restart_of_the_control_plane(
    storage: Storage,
) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(AsyncExitStack())
        server = await first.enter_async_context(running(config_for(storage, grace=10.0)))
        app = Agent("node", server=server.grpc_address)
        inside, release = asyncio.Event(), asyncio.Event()

        @app.skill
        async def hold() -> str:
            inside.set()
            await release.wait()
            return "held"

        await stack.enter_async_context(app.serving())
        client = await stack.enter_async_context(Client(server.grpc_address))
        handle = await client.submit("node.hold")
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        watching = tasks.create_task(handle.result())
        calling = tasks.create_task(client.with_options(request_id="same").call("node.hold"))
        await inside.wait()
        await until(handle, "running")

        await first.aclose()
        release.set()
        config = replace(config_for(storage, grace=10.0), grpc_bind=server.grpc_address)
        await stack.enter_async_context(running(config))

        async with asyncio.timeout(PATIENCE):
            assert (await watching, await calling) == ("held", "held")
        assert (await handle.get()).attempt == 1


async def test_draining_finishes_what_runs_and_leaves_the_rest_to_others(
    plane: Plane, client: Client
) -> None:
    leaving, staying = agent_of(plane, "node", max_executions=1), agent_of(plane, "node")
    inside, release = asyncio.Event(), asyncio.Event()

    @leaving.skill("work")
    async def held() -> str:
        inside.set()
        await release.wait()
        return "first"

    @staying.skill("work")
    async def quick() -> str:
        return "second"

    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(leaving.serve())
        while not any(node.connected for node in await client.nodes()):
            await asyncio.sleep(0.01)
        first = await client.submit("node.work")
        await inside.wait()
        leaving.stop()
        while not any(w.draining for node in await client.nodes() for w in node.workers):
            await asyncio.sleep(0.01)
        second = await client.submit("node.work")
        async with staying.serving():
            assert await second.result() == "second"
        assert not serving.done()
        release.set()
        assert await first.result() == "first"
        await serving


async def test_a_node_that_the_key_may_not_serve_is_refused_at_once(storage: Storage) -> None:
    callers = (
        Caller(name="agent-key", roles=frozenset({"agent"}), nodes=("billing",)),
        Caller(name="client-key", roles=frozenset({"client"})),
    )
    config = replace(config_for(storage), keyring=keyring(*callers))
    async with running_plane(config) as plane:
        billing = agent_of(plane, "billing", api_key="agent-key")
        billing.skill("f")(lambda: 1)

        with pytest.raises(errors.PermissionDenied):
            await agent_of(plane, "other", api_key="agent-key").serve()
        with pytest.raises(errors.Unauthenticated):
            await agent_of(plane, "billing", api_key="wrong").serve()
        async with (
            billing.serving(),
            Client(plane.app.grpc_address, api_key="client-key") as client,
        ):
            assert await client.call("billing.f") == 1


async def test_whom_a_call_is_for_reaches_everything_it_calls(plane: Plane, client: Client) -> None:
    agent = agent_of(plane, "node")

    @agent.skill
    async def outer() -> list[str]:
        own, inherited = current(), await agent.call("node.inner")
        other = await agent.with_options(actor_id="bob").call("node.inner")
        return [own.actor_id if own else "", inherited, other]

    @agent.skill
    async def inner() -> str:
        own = current()
        return own.actor_id if own else ""

    async with agent.serving():
        assert await client.with_options(actor_id="ann").call("node.outer") == ["ann", "ann", "bob"]
