"""Hints between two servers of one database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass

import pytest
from support.postgres import Postgres
from support.rows import names, put

from agentfield.bus import LOOKS_PER_SECOND, PostgresBus
from agentfield.executions.engine import Topic
from agentfield.store.postgres import PostgresDatabase

pytestmark = pytest.mark.integration

PATIENCE = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A database and its bus, as one server has them."""

    database: PostgresDatabase
    bus: PostgresBus


@pytest.fixture
async def pair(postgres: Postgres) -> AsyncIterator[tuple[Server, Server]]:
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(postgres.database())
        servers = []
        for _ in range(2):
            database = await stack.enter_async_context(PostgresDatabase(url))
            servers.append(Server(database=database, bus=PostgresBus(database)))
        await hears(servers[0], servers[1])
        await hears(servers[1], servers[0])
        yield servers[0], servers[1]


async def hears(listening: Server, telling: Server) -> None:
    """Wait until a server hears another."""
    with listening.bus.listen(("ready", None)) as listener:
        async with asyncio.timeout(PATIENCE):
            while not set(await listener.wait(0.05)):
                telling.bus.publish("ready", "")


async def test_hints_come_in_the_order_in_which_they_were_told(
    pair: tuple[Server, Server],
) -> None:
    here, there = pair
    told = [f"{number}, 'quoted'" for number in range(1000)]
    heard: list[str] = []

    with there.bus.listen(("passing", None)) as listener:
        for start in range(0, len(told), 100):
            for key in told[start : start + 100]:
                here.bus.publish("passing", key)
            await here.database.write(put(str(start)))
        async with asyncio.timeout(PATIENCE):
            while len(heard) < len(told):
                heard += [key for _, key in await listener.wait(1.0)]

    assert heard == told


async def test_a_hint_comes_with_the_commit_that_it_is_about(pair: tuple[Server, Server]) -> None:
    here, there = pair

    async def submit(name: str) -> None:
        here.bus.publish("queue", name)  # told before the write is asked for, as submissions are
        await here.database.write(put(name))

    with there.bus.listen(("queue", None)) as listener:
        for number in range(50):
            name = f"n{number:02}"
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(submit(name))

                assert set(await listener.wait(PATIENCE)) == {("queue", name)}
                assert name in await names(there.database)


async def test_hints_that_no_write_follows_are_told_by_themselves(
    pair: tuple[Server, Server],
) -> None:
    here, there = pair
    with there.bus.listen(("done", "exec_1")) as listener:
        here.bus.publish("done", "exec_1")

        assert set(await listener.wait(PATIENCE)) == {("done", "exec_1")}


async def test_what_is_told_here_is_heard_once_here_and_draining_nowhere_else(
    pair: tuple[Server, Server],
) -> None:
    here, there = pair
    with here.bus.listen(("a", None)) as mine, there.bus.listen((Topic.DRAIN, None)) as theirs:
        here.bus.publish("a", "1")
        here.bus.publish(Topic.DRAIN, "")
        assert set(await mine.wait(PATIENCE)) == {("a", "1")}
        await hears(there, here)

        assert set(await mine.wait(0)) == set()
        assert set(await theirs.wait(0)) == set()


async def test_many_and_strange_keys_arrive(pair: tuple[Server, Server]) -> None:
    here, there = pair
    keys = {f"it's \\ \N{SNOWMAN} {number}" for number in range(1500)}
    heard: set[str] = set()
    with there.bus.listen(("queue", None)) as listener:
        for key in keys:
            here.bus.publish("queue", key)
        async with asyncio.timeout(PATIENCE):
            while heard < keys:
                heard |= {key for _, key in await listener.wait(PATIENCE)}

    assert heard == keys


async def test_a_server_that_heard_nothing_for_a_while_looks_and_hears_again(
    postgres: Postgres, pair: tuple[Server, Server]
) -> None:
    here, there = pair
    with there.bus.listen(("queue", None)) as listener:
        with postgres.stopped():
            pass
        # It is woken without a hint, since some may have been lost.
        assert set(await listener.wait(PATIENCE)) == set()
    await hears(there, here)


async def test_the_more_wait_the_longer_they_trust(pair: tuple[Server, Server]) -> None:
    bus = pair[0].bus
    assert bus.trusted_seconds == 1.0
    with ExitStack() as waits:
        for number in range(LOOKS_PER_SECOND * 3):
            waits.enter_context(bus.listen(("execution", str(number))))
        assert bus.trusted_seconds == 3.0
