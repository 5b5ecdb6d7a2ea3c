"""Agents that are HTTP servers, and the servers that call them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import web
from support.http_agents import (
    MOST,
    Agent,
    reason_of,
    register,
    report,
)
from support.plane import FAILED, RUNNING, SUCCEEDED, Plane, config_for, running_plane
from support.replicas import site
from support.storage import Storage

from agentfield.dispatch import calls
from agentfield.store.calls import SqlCalls
from agentfield.v1 import errors

pytestmark = pytest.mark.integration


@pytest.fixture
async def plane(storage: Storage) -> AsyncIterator[Plane]:
    config = config_for(storage, grace=0.3, max_payload_bytes=MOST)
    async with running_plane(config) as running:
        yield running


async def test_an_address_is_checked_again_for_every_connection(
    storage: Storage, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "RESTART_SECONDS", 0.2)
    config = config_for(storage)
    async with running_plane(config) as plane:
        await register(plane, agent.url)
    async with running_plane(replace(config, agent_networks=("public",))) as plane:
        done = await plane.until(await plane.submit("n.think"), FAILED)
        with pytest.raises(errors.InvalidArgument, match=r"^Invalid callback URL: '127"):
            await register(plane, agent.url)

    assert "could not be reached" in done.error
    assert agent.asked == []


async def test_two_servers_share_an_agent_and_each_call_is_made_once(
    storage: Storage, agent: Agent
) -> None:
    agent.answers(202)
    async with site(storage) as both:
        first, second = both.a.plane, both.b.plane
        await register(first, agent.url)
        submitted = [await (first, second)[number % 2].submit("n.think") for number in range(20)]
        for execution_id in submitted:
            await second.until(execution_id, RUNNING)
            await report(second, execution_id, status=SUCCEEDED)
            await first.until(execution_id, SUCCEEDED)

    assert sorted(one.headers["X-Execution-ID"] for one in agent.asked) == sorted(submitted)


async def test_a_server_that_goes_down_takes_the_answers_that_come_in_time(
    storage: Storage, agent: Agent
) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(_: web.Request) -> web.StreamResponse:
        asked.set()
        await go_on.wait()
        return web.json_response(7)

    agent.answer = slowly
    async with running_plane(config_for(storage)) as plane:
        await register(plane, agent.url)
        execution_id = await plane.submit("n.count")
        await asyncio.wait_for(asked.wait(), 10)
        asyncio.get_running_loop().call_later(0.3, go_on.set)
    async with running_plane(config_for(storage)) as plane:
        assert (await plane.until(execution_id, SUCCEEDED)).result == b"7"
    assert len(agent.asked) == 1


async def test_of_a_server_that_is_gone_the_unsent_is_sent_and_the_sent_is_lost(
    storage: Storage, agent: Agent
) -> None:
    agent.answers(202)
    async with running_plane(config_for(storage)) as plane:
        await register(plane, "http://127.0.0.1:9")  # where nobody listens
        submitted = [await plane.submit("n.think") for _ in range(2)]
    async with storage.open() as database:
        store = SqlCalls(database)
        await store.return_calls(await store.gone_senders())
        claimed = {
            one.execution.execution_id: one
            for one in await store.claim_calls("repl_gone", ["n"], roots=True)
        }
        assert set(claimed) == set(submitted)
        assert await store.sent(claimed[submitted[0]].running, "repl_gone")
        assert not await store.sent(claimed[submitted[1]].running, "repl_other")
        assert await store.gone_senders() == ["repl_gone"]

    async with running_plane(config_for(storage, grace=0.3)) as plane:
        await register(plane, agent.url, "two")
        lost = await plane.until(submitted[0], FAILED)
        again = await plane.until(submitted[1], RUNNING)

    assert reason_of(lost) == "AGENT_LOST"
    assert again.instance_id == "two"
    assert [one.headers["X-Execution-ID"] for one in agent.asked] == [submitted[1]]
