"""Several servers on one PostgreSQL database: what each may do while the others do the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from support.postgres import Postgres
from support.rows import put
from support.stage import DECLARED, LIMITS, Stage, register

from agentfield.executions.model import Status
from agentfield.executions.submission import Claims, Submission
from agentfield.executions.work import Offer
from agentfield.identity import ANYONE, Caller
from agentfield.nodes.model import Function, Registration
from agentfield.sessions.ports import Begun, Found, Start
from agentfield.store.database import Connection
from agentfield.store.executions import SqlExecutions
from agentfield.store.nodes import SqlNodes
from agentfield.store.postgres import PostgresDatabase
from agentfield.store.replicas import SqlReplicas
from agentfield.store.sessions import SqlSessions
from agentfield.store.work import SqlWork
from agentfield.v1 import errors

pytestmark = pytest.mark.integration

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


@pytest.fixture
async def pair(postgres: Postgres) -> AsyncIterator[tuple[PostgresDatabase, PostgresDatabase]]:
    """Two servers on one database."""
    async with (
        postgres.database() as url,
        PostgresDatabase(url) as one,
        PostgresDatabase(url) as other,
    ):
        yield one, other


async def registered(database: PostgresDatabase, instance_id: str = "w") -> Offer:
    """Register a node with one function; return what its worker offers."""
    registration = Registration(
        node_id="n",
        instance_id=instance_id,
        version="",
        description="",
        functions=(Function(name="f", kind="skill"),),
    )
    worker_id = await SqlNodes(database).register(registration, ANYONE)
    await SqlWork(database).connect(
        worker_id, "conn", max_executions=5, running=[], caller=ANYONE, replica_id="repl_1"
    )
    return Offer(
        worker_id=worker_id,
        node_id="n",
        instance_id=instance_id,
        credit=5,
        connection_id="conn",
    )


Pair = tuple[PostgresDatabase, PostgresDatabase]


async def test_a_repeated_request_at_another_server_is_one_execution(pair: Pair) -> None:
    await registered(pair[0])
    stores = [SqlExecutions(database) for database in pair]

    for number in range(20):
        request = replace(SUBMITTED, request_id=f"r{number}")
        async with asyncio.TaskGroup() as tasks:
            added = [
                tasks.create_task(
                    store.add(replace(request, execution_id=f"exec_{number}_{which}"), LIMITS)
                )
                for which, store in enumerate(stores)
            ]
        assert len({one.result().execution.execution_id for one in added}) == 1
        assert sorted(one.result().created for one in added) == [False, True]


async def test_two_servers_claim_each_execution_once(pair: Pair) -> None:
    offers = [await registered(database, name) for database, name in zip(pair, "ab", strict=True)]
    store = SqlExecutions(pair[0])
    async with asyncio.TaskGroup() as tasks:
        for number in range(100):
            tasks.create_task(store.add(replace(SUBMITTED, execution_id=f"e{number}"), LIMITS))

    async def claim(database: PostgresDatabase, offer: Offer) -> list[str]:
        claimed: list[str] = []
        while batch := await SqlWork(database).claim([offer]):
            claimed += [execution.execution_id for execution in batch]
        return claimed

    async with asyncio.TaskGroup() as tasks:
        takers = [
            tasks.create_task(claim(database, offer))
            for database, offer in zip(pair, offers, strict=True)
        ]
    taken = [execution_id for taker in takers for execution_id in taker.result()]

    assert sorted(taken) == sorted(f"e{number}" for number in range(100))


async def test_of_two_keys_that_register_one_node_the_first_has_it(pair: Pair) -> None:
    callers = [
        Caller(name=name, roles=frozenset({"agent"}), nodes=("n",)) for name in ("ada", "bob")
    ]
    registration = Registration(
        node_id="n", instance_id="w", version="", description="", functions=()
    )

    async def register(database: PostgresDatabase, caller: Caller) -> str:
        try:
            await SqlNodes(database).register(registration, caller)
        except errors.PermissionDenied:
            return ""
        return caller.name

    async with asyncio.TaskGroup() as tasks:
        both = [
            tasks.create_task(register(database, caller))
            for database, caller in zip(pair, callers, strict=True)
        ]
    served = "".join(one.result() for one in both)
    node = await SqlNodes(pair[0]).get("n")

    assert node is not None
    assert node.created_by == served
    assert served in {"ada", "bob"}


async def test_two_changes_of_one_execution_see_each_other(pair: Pair) -> None:
    await registered(pair[0])
    await SqlExecutions(pair[0]).add(SUBMITTED, LIMITS)

    async with asyncio.TaskGroup() as tasks:
        for database in pair:
            for _ in range(50):
                tasks.create_task(
                    SqlExecutions(database).change(
                        "exec_1", lambda e, _owner, _now: replace(e, attempt=e.attempt + 1)
                    )
                )
    after = await SqlExecutions(pair[0]).get("exec_1")

    assert after is not None
    assert after.attempt == 100


async def test_a_deadlock_is_run_again(pair: Pair) -> None:
    for name in ("a", "b"):
        await pair[0].write(put(name))
    runs: list[str] = []

    def both(first: str, second: str) -> Callable[[Connection], None]:
        def run(connection: Connection) -> None:
            for name in (first, second):
                connection.execute(
                    "UPDATE nodes SET version = version || ? WHERE node_id = ?", (first, name)
                )
                runs.append(first)
                while len(runs) < 2:  # until the other holds its first as well
                    connection.execute("SELECT pg_sleep(0.01)")

        return run

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(pair[0].write(both("a", "b")))
        tasks.create_task(pair[1].write(both("b", "a")))
    versions = await pair[0].read(
        lambda c: c.execute("SELECT version FROM nodes ORDER BY node_id").fetchall()
    )

    assert [sorted(version) for (version,) in versions] == [["a", "b"], ["a", "b"]]
    assert len(runs) == 5  # of the first attempts, one had both rows


async def test_no_child_of_a_cancelled_parent_goes_on_wherever_it_was_called(pair: Pair) -> None:
    await registered(pair[0])
    here, there = (SqlExecutions(database) for database in pair)

    async def call(number: int, child: int) -> None:
        claims = Claims(parent_execution_id=f"parent_{number}")
        one = replace(SUBMITTED, execution_id=f"child_{number}_{child}", claims=claims)
        try:
            await there.add(one, LIMITS)
        except errors.ParentEnded:
            return

    for number in range(30):
        await here.add(replace(SUBMITTED, execution_id=f"parent_{number}"), LIMITS)
        async with asyncio.TaskGroup() as tasks:
            for child in range(3):
                tasks.create_task(call(number, child))
            tasks.create_task(here.cancel_tree(f"parent_{number}", "no longer needed"))

    rows = await pair[0].read(
        lambda c: c.execute("SELECT DISTINCT status FROM executions").fetchall()
    )
    assert rows == [(Status.CANCELLED,)]


async def test_the_ceiling_of_sessions_holds_for_all_servers_together(pair: Pair) -> None:
    ceiling = 3
    await SqlReplicas(pair[0]).join("repl_1", lease=1e6, alone=False)
    await register(pair[0], DECLARED)

    async def start(database: PostgresDatabase, number: int) -> bool:
        stage = Stage(database=database, clock=[database.now()])

        def begin(found: Found) -> Begun:
            if found.sessions_of_caller >= ceiling:
                raise errors.SessionLimitReached("enough")
            begun = stage._begun(number, "support", "web", found)
            return replace(begun, session=replace(begun.session, owner="repl_1"))

        wanted = Start(
            node_id="n",
            name="support",
            caller_name="web",
            start_token_id="",
            request_id="",
            fingerprint=b"",
            token_sha256=str(number).encode(),
            token_expires_at=lambda session: session.created_at,
            replica_id="repl_1",
        )
        try:
            await SqlSessions(database).start(wanted, begin)
        except errors.SessionLimitReached:
            return False
        return True

    async with asyncio.TaskGroup() as tasks:
        starts = [tasks.create_task(start(pair[number % 2], number)) for number in range(10)]

    assert sum(started.result() for started in starts) == ceiling
