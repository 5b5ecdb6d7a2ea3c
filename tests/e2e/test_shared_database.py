"""Two servers on one PostgreSQL database, as processes of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from support.postgres import Postgres
from support.processes import World, world
from support.storage import Storage

from agentfield import Client
from agentfield.v1 import errors

pytestmark = pytest.mark.e2e


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two servers; agents are connected to the first alone, callers to the second."""

    first: World
    second: World
    caller: Client


@pytest.fixture
async def pair(tmp_path: Path, postgres: Postgres) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(postgres.database())
        both = []
        for name in ("first", "second"):
            folder = tmp_path / name
            folder.mkdir()
            storage = Storage(folder=folder / "data", url=url)
            both.append(await stack.enter_async_context(world(folder, storage)))
            await both[-1].server()
        caller = await stack.enter_async_context(Client(both[1].grpc))
        yield Pair(first=both[0], second=both[1], caller=caller)


async def test_a_call_at_one_server_runs_on_an_agent_of_the_other(pair: Pair) -> None:
    await pair.first.agent("tree.py", "left", "4")
    await pair.first.agent("tree.py", "right", "2")

    # Hints bring it there and back: polls alone would take a second for each of the two ways.
    async with asyncio.timeout(60):
        results = [await pair.caller.call("left.leaf", i=i) for i in range(100)]
    assert results == [2 * i for i in range(100)]
    assert sorted(await pair.caller.call("left.plan", other="right", steps=5)) == [0, 2, 4, 6, 8]

    path = f"http://{pair.second.http}/api/v1/execute/left.plan"
    body = {"input": {"other": "right", "steps": 3}}
    async with aiohttp.ClientSession() as http, http.post(path, json=body) as answer:
        assert answer.status == 200
        assert sorted((await answer.json())["result"]) == [0, 2, 4]


async def test_cancelling_at_one_server_reaches_an_agent_of_the_other(pair: Pair) -> None:
    await pair.first.agent("gated.py", "1")
    held = await pair.caller.submit("gated.once", name="held")
    await pair.first.until(lambda: pair.first.runs() == ["held"])

    await held.cancel("no longer needed")

    with pytest.raises(errors.ExecutionCancelled, match="no longer needed"):
        await held.result()
    assert await pair.caller.call("gated.quick", name="next") == "next"


async def test_calls_at_both_servers_run_once_each(pair: Pair) -> None:
    await pair.first.agent("gated.py", "8")
    async with Client(pair.first.grpc) as there, asyncio.TaskGroup() as tasks:
        calls = [
            tasks.create_task(client.call("gated.quick", name=f"{name}-{number}"))
            for name, client in (("here", pair.caller), ("there", there))
            for number in range(100)
        ]

    names = sorted(call.result() for call in calls)
    assert names == sorted(f"{name}-{n}" for name in ("here", "there") for n in range(100))
    assert sorted(pair.first.runs()) == names
