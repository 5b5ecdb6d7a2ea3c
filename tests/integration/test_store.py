"""The store over both databases: neighbours that fail, claims, long runs, and indexes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import asyncpg
import pytest
from support.plans import is_scan, plan
from support.rows import names, put
from support.storage import Storage

from agentfield.config import Limits
from agentfield.executions.ports import Scope
from agentfield.executions.submission import Claims, Submission
from agentfield.executions.work import Acceptance, Offer, Running
from agentfield.identity import ANYONE
from agentfield.nodes.model import Function, Registration
from agentfield.sessions.declaration import Declaration as SessionDeclaration
from agentfield.sessions.declaration import DeclaredLimits
from agentfield.store.claims import CLAIMING, WAITING
from agentfield.store.database import Connection, Database
from agentfield.store.executions import SqlExecutions, newest
from agentfield.store.nodes import SqlNodes
from agentfield.store.rows import FACTS
from agentfield.store.work import SqlWork
from agentfield.store.workflows import SqlWorkflows
from agentfield.v1 import errors

pytestmark = pytest.mark.integration


@pytest.fixture
async def database(storage: Storage) -> AsyncIterator[Database]:
    async with storage.open() as database:
        yield database


async def test_a_write_that_fails_fails_alone(database: Database) -> None:
    def broken(connection: Connection) -> None:
        connection.execute("INSERT INTO nodes VALUES ('half', '', '', '', 0, 0)")
        raise errors.InvalidArgument("no")

    async with asyncio.TaskGroup() as tasks:
        before = tasks.create_task(database.write(put("a")))
        bad = tasks.create_task(outcome(database, broken))
        duplicate = tasks.create_task(outcome(database, put("a")))
        after = tasks.create_task(database.write(put("b")))

    assert (before.result(), after.result()) == ("a", "b")
    assert isinstance(bad.result(), errors.InvalidArgument)
    assert "unique" in str(duplicate.result()).lower()
    assert await names(database) == ["a", "b"]


async def outcome(database: Database, run: Callable[[Connection], object]) -> object:
    try:
        return await database.write(run)
    except (errors.AgentFieldError, sqlite3.Error, asyncpg.PostgresError) as error:
        return error


async def test_a_caller_that_gave_up_does_not_undo_its_write(database: Database) -> None:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(database.write(put("a")))
        await asyncio.sleep(0)
        task.cancel()
        await database.write(put("b"))

    assert await names(database) == ["a", "b"]


async def test_reads_cannot_write(database: Database) -> None:
    with pytest.raises(errors.StoreUnavailable):
        await database.read(put("a"))


async def test_only_the_claim_that_was_not_sent_is_released(database: Database) -> None:
    work, offer = await with_worker(database)
    first = (await work.claim([offer]))[0]
    stale = Running(execution_id=first.execution_id, attempt=first.attempt)
    assert [e.worker_id for e in await work.release([stale])] == [None]
    second = (await work.claim([offer]))[0]

    assert second.attempt == first.attempt + 1
    assert await work.release([stale]) == []
    fresh = Running(execution_id=second.execution_id, attempt=second.attempt)
    stranger = Acceptance(worker_id="reg_other", running=fresh, at=1)
    assert await work.accept([stranger]) == []
    own = Acceptance(worker_id=offer.worker_id, running=fresh, at=7)
    assert [e.started_at for e in await work.accept([own])] == [7]
    assert await work.release([fresh]) == []


async def test_a_connection_that_was_replaced_has_no_say_any_more(database: Database) -> None:
    work, offer = await with_worker(database)
    for connection_id in ("conn_1", "conn_2"):
        await work.connect(
            offer.worker_id,
            connection_id,
            max_executions=1,
            running=[],
            caller=ANYONE,
            replica_id="repl_1",
        )

    await work.disconnect(offer.worker_id, "conn_1", unsent=[], for_good=False)
    await work.disconnect(offer.worker_id, "conn_1", unsent=[], for_good=True)
    assert await connected(database) == [1]

    await work.disconnect(offer.worker_id, "conn_2", unsent=[], for_good=False)
    assert await connected(database) == [0]
    await work.disconnect(offer.worker_id, "conn_2", unsent=[], for_good=True)
    assert await connected(database) == []


async def test_a_run_of_ten_thousand_is_read_in_pages_each_execution_once(
    database: Database,
) -> None:
    await with_worker(database)
    store = SqlExecutions(database)
    async with asyncio.TaskGroup() as tasks:
        for number in range(2, 10_001):
            claims = Claims(parent_execution_id="exec_1")
            one = replace(SUBMITTED, claims=claims, execution_id=f"exec_{number}")
            tasks.create_task(store.add(one, LIMITS))
    workflows = SqlWorkflows(database)

    summary = await workflows.summary("run_1")
    pages, after = [], 0
    while True:
        page = await workflows.page("run_1", after_seq=after, limit=1000)
        pages.append(page.executions)
        if page.next_seq is None:
            break
        after = page.next_seq

    assert summary is not None
    assert (summary.total, summary.active, summary.max_depth) == (10_000, 10_000, 1)
    assert [len(executions) for executions in pages] == [1000] * 10
    ids = [e.execution_id for executions in pages for e in executions]
    assert ids[0] == summary.root.execution_id == "exec_1"
    assert len(set(ids)) == 10_000


async def test_a_node_shows_the_newest_sessions_and_a_worker_keeps_its_own(
    database: Database,
) -> None:
    nodes, work = SqlNodes(database), SqlWork(database)
    talk = SessionDeclaration(name="talk", provider="openai", transport="webrtc")
    sing = replace(talk, name="sing", limits=DeclaredLimits(idle_timeout=7.5), has_handler=True)
    registered = Registration(
        node_id="n", instance_id="old", version="", description="", functions=()
    )
    old = await nodes.register(replace(registered, sessions=(talk,)), ANYONE)
    new = await nodes.register(
        replace(registered, instance_id="new", sessions=(sing, talk)), ANYONE
    )

    node = await nodes.get("n")
    rejoined = [
        await work.connect(
            worker_id,
            "c",
            max_executions=1,
            running=[],
            caller=ANYONE,
            replica_id="repl_1",
            max_sessions=sessions,
        )
        for worker_id, sessions in ((old, 2), (new, 0))
    ]

    assert node is not None
    assert node.sessions == (sing, talk)
    assert [r.session_names for r in rejoined] == [{"talk"}, {"sing", "talk"}]
    after = await nodes.get("n")
    assert after is not None
    assert {w.worker_id: w.max_sessions for w in after.workers} == {old: 2, new: 0}

    await nodes.register(replace(registered, instance_id="new"), ANYONE)
    bare = await nodes.get("n")
    assert bare is not None
    assert bare.sessions == ()
    rejoined_bare = await work.connect(
        new, "c", max_executions=1, running=[], caller=ANYONE, replica_id="repl_1"
    )
    assert rejoined_bare.session_names == frozenset()


async def connected(database: Database) -> list[int]:
    rows = await database.read(lambda c: c.execute("SELECT connected FROM workers").fetchall())
    return [row[0] for row in rows]


async def test_what_is_past_its_time_is_not_handed_out(storage: Storage) -> None:
    now = 1_000_000
    async with storage.open(clock=lambda: now) as database:
        work, offer = await with_worker(database)
        now += 60_000_001

        assert await work.claim([offer]) == []


async def test_the_frequent_queries_use_their_indexes(database: Database) -> None:
    client = Scope(everything=False, owner="web", nodes=())
    agent = Scope(everything=False, owner="bot", nodes=("n", "m"))
    plans = {
        "nested work": await plan(database, CLAIMING, ["n", "reg_1", "conn_1"]),
        "lent slots": await plan(database, WAITING, ["reg_1"]),
        "a client's list": await plan(database, *newest(FACTS, [], [], client, 10)),
        "an agent's list": await plan(database, *newest(FACTS, [], [], agent, 10)),
        "by status": await plan(
            database, *newest(FACTS, ["status = ?"], ["failed"], Scope(everything=True), 10)
        ),
    }

    assert {name: each for name, each in plans.items() if is_scan(each, "executions")} == {}
    assert not is_scan(plans["lent slots"], "parent")


SUBMITTED = Submission(
    rpc="ExecuteAsync",
    node_id="n",
    function="f",
    input=b"{}",
    timeout=60.0,
    claims=Claims(),
    caller=ANYONE,
    execution_id="exec_1",
    run_id="run_1",
)
LIMITS = Limits(max_payload_bytes=100, max_depth=3, execute_timeout=1.0, execute_async_timeout=1.0)


async def with_worker(database: Database) -> tuple[SqlWork, Offer]:
    """Register a node with one function, and queue one execution of it."""
    nodes = SqlNodes(database)
    registration = Registration(
        node_id="n",
        instance_id="w",
        version="",
        description="",
        functions=(Function(name="f", kind="skill"),),
    )
    worker_id = await nodes.register(registration, ANYONE)
    await SqlExecutions(database).add(SUBMITTED, LIMITS)
    work = SqlWork(database)
    await work.connect(
        worker_id, "conn", max_executions=5, running=[], caller=ANYONE, replica_id="repl_1"
    )
    offer = Offer(worker_id=worker_id, node_id="n", instance_id="w", credit=5, connection_id="conn")
    return work, offer
