"""PostgreSQL alone: several servers on one database, and a database that is not there."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import replace
from importlib import resources
from typing import Any

import asyncpg
import pytest
from support.postgres import PASSWORD, Postgres
from support.rows import names, put

from agentfield.config import Limits
from agentfield.executions.submission import Claims, Submission
from agentfield.executions.work import Offer
from agentfield.identity import ANYONE
from agentfield.nodes.model import Function, Registration
from agentfield.store.database import Connection, DatabaseUnreachable, SchemaTooNew
from agentfield.store.executions import SqlExecutions
from agentfield.store.migrations import migrations
from agentfield.store.nodes import SqlNodes
from agentfield.store.postgres import PostgresDatabase
from agentfield.store.postgres_connection import PostgresConnection, numbered
from agentfield.store.postgres_lanes import Answer, Lane
from agentfield.store.postgres_schema import translated
from agentfield.store.postgres_writer import Writer
from agentfield.store.replicas import TO_TAKE
from agentfield.store.work import SqlWork
from agentfield.v1 import errors

pytestmark = pytest.mark.integration

LIMITS = Limits(max_payload_bytes=100, max_depth=3, execute_timeout=1.0, execute_async_timeout=1.0)
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

MANY = """
INSERT INTO sessions (session_id, node_id, name, state, snapshot, instructions, tools, metadata,
    usage, run_id, root_execution_id, root_session_id, handler, owner, owner_epoch, created_by,
    actor_id, traceparent, created_at, connect_by)
  SELECT i, 'n', 's', CASE WHEN i % 200 = 0 THEN 'live' ELSE 'ended' END, '', '', '', '', '', i, i,
    i, 'none', 'repl_1', 1, 'k', 'a', '', i, i FROM generate_series(1, 50000) AS i;
INSERT INTO executions (execution_id, run_id, session_id, node_id, function, kind, status, attempt,
    depth, idempotent, created_by, run_owner, actor_id, traceparent, instance_id, created_at,
    expires_at, input)
  SELECT session_id, run_id, session_id, 'n', 's', 'session',
    CASE WHEN state = 'live' THEN 'running' ELSE 'succeeded' END, 1, 0, 0, 'k', 'k', 'a', '', '',
    1, 1, '' FROM sessions;
INSERT INTO provider_calls (provider_call_id, session_id, generation, owner_epoch, provider,
    transport, state, offer_sha256, created_at)
  SELECT session_id, session_id, 1, 1, 'openai', 'webrtc',
    CASE WHEN state = 'live' THEN 'open' ELSE 'ended' END, '', 1 FROM sessions;
INSERT INTO replicas VALUES ('repl_1', 1, 9000000000000000);
ANALYZE;
"""
"""Sessions of which one in two hundred goes on."""


@pytest.fixture
async def url(postgres: Postgres) -> AsyncIterator[str]:
    async with postgres.database() as url:
        yield url


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


async def outcome(
    database: PostgresDatabase, run: Callable[[Connection], object], keys: Collection[str] = ()
) -> object:
    try:
        return await database.write(run, keys=keys)
    except errors.AgentFieldError as error:
        return error


# --- one server ---


async def test_what_many_write_at_once_becomes_few_transactions(url: str) -> None:
    async with PostgresDatabase(url) as database:
        async with asyncio.TaskGroup() as tasks:
            writes = [tasks.create_task(database.write(put(f"n{i:04}"))) for i in range(1000)]
        transactions = await database.read(
            lambda c: c.execute("SELECT count(DISTINCT CAST(xmin AS TEXT)) FROM nodes").fetchone()
        )

    assert [write.result() for write in writes] == [f"n{i:04}" for i in range(1000)]
    assert transactions[0] < 20


async def test_a_refusal_that_wrote_nothing_leaves_its_neighbours_in_one_transaction(
    url: str,
) -> None:
    def refused(connection: Connection) -> None:
        connection.execute("SELECT node_id FROM nodes WHERE node_id = 'a'")
        raise errors.NodeNotFound("no")

    async with PostgresDatabase(url) as database:
        async with asyncio.TaskGroup() as tasks:
            writes = [tasks.create_task(outcome(database, put("a")))]
            writes += [tasks.create_task(outcome(database, refused))]
            writes += [tasks.create_task(outcome(database, put("b")))]
        assert [type(write.result()) for write in writes] == [str, errors.NodeNotFound, str]
        transactions = await database.read(
            lambda c: c.execute("SELECT count(DISTINCT CAST(xmin AS TEXT)) FROM nodes").fetchone()
        )
        assert transactions[0] == 1


async def test_the_time_is_the_database_s(url: str) -> None:
    async with PostgresDatabase(url) as database:
        before = database.now()
        there = await database.read(
            lambda c: c.execute(
                "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"
            ).fetchone()[0]
        )
        after = database.now()

    assert before - 100_000 < there < after + 100_000


async def test_a_nul_in_a_text_is_stored_as_a_replacement(url: str) -> None:
    async with PostgresDatabase(url) as database:
        await database.write(put("a\0b"))

        assert await names(database) == ["a\N{REPLACEMENT CHARACTER}b"]


# --- writes side by side ---


async def test_what_is_asked_side_by_side_is_answered_each_with_its_own(url: str) -> None:
    def asks(name: str) -> Callable[[Connection], tuple[object, ...]]:
        def run(connection: Connection) -> tuple[object, ...]:
            put(name)(connection)
            again = connection.execute(
                "INSERT INTO nodes VALUES (?, '', '', '', 0, 0) ON CONFLICT DO NOTHING", (name,)
            ).rowcount
            row = connection.execute(
                "UPDATE nodes SET version = ? WHERE node_id = ? RETURNING node_id, version",
                (f"v{name}", name),
            ).fetchone()
            nothing = connection.execute(
                "SELECT version FROM nodes WHERE node_id = ? FOR UPDATE", ("gone",)
            ).fetchone()
            connection.executemany(
                "INSERT INTO functions VALUES (?, ?, 0, '', 0, '', '', '', '')",
                [(name, f"f{number}") for number in range(int(name))],
            )
            many = connection.execute(
                "SELECT name FROM functions WHERE node_id = ? ORDER BY name DESC", (name,)
            ).fetchall()
            return again, row, nothing, [function for (function,) in many]

        return run

    async with PostgresDatabase(url) as database, asyncio.TaskGroup() as tasks:
        writes = [
            tasks.create_task(database.write(asks(str(number)), keys=[f"n{number}"]))
            for number in range(5)
        ]

    for number, write in enumerate(writes):
        names_ = [f"f{n}" for n in reversed(range(number))]
        assert write.result() == (0, (str(number), f"v{number}"), None, names_)


async def test_writes_about_different_things_share_their_round_trips(url: str) -> None:
    trips: list[int] = []
    async with PostgresDatabase(url) as database:
        offer = await registered(database)
        answer_all = PostgresConnection._answer_all

        async def counted(
            connection: PostgresConnection, lanes: Sequence[Lane[Any]]
        ) -> Sequence[Answer]:
            trips.append(len(lanes))
            return await answer_all(connection, lanes)

        store = SqlExecutions(database)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(PostgresConnection, "_answer_all", counted)
            async with asyncio.TaskGroup() as tasks:
                for number in range(100):
                    added = replace(SUBMITTED, execution_id=f"e{number}", run_id=f"r{number}")
                    tasks.create_task(store.add(added, LIMITS))
        assert len(await SqlWork(database).claim([replace(offer, credit=1000)])) == 100

    assert sum(trips) == 200
    assert len(trips) <= 4  # the first write may have been alone


async def test_writes_about_the_same_take_effect_in_their_order(url: str) -> None:
    def append(name: str, letter: str) -> Callable[[Connection], None]:
        def run(connection: Connection) -> None:
            sql = "SELECT version FROM nodes WHERE node_id = ?"
            (version,) = connection.execute(sql, (name,)).fetchone()
            connection.execute(
                "UPDATE nodes SET version = ? WHERE node_id = ?", (version + letter, name)
            )

        return run

    letters = [f"{number:02}," for number in range(30)]
    async with PostgresDatabase(url) as database:
        for name in ("a", "b"):
            await database.write(put(name))
        async with asyncio.TaskGroup() as tasks:
            for letter in letters:
                for name in ("a", "b"):
                    tasks.create_task(database.write(append(name, letter), keys=[name]))
        versions = await database.read(lambda c: c.execute("SELECT version FROM nodes").fetchall())

    assert versions == [("".join(letters),)] * 2


async def test_of_writes_side_by_side_one_that_fails_fails_alone(url: str) -> None:
    def half(connection: Connection) -> None:
        put("half")(connection)
        raise errors.InvalidArgument("no")

    async with PostgresDatabase(url) as database:
        async with asyncio.TaskGroup() as tasks:
            good = [
                tasks.create_task(database.write(put(name), keys=[name])) for name in ("a", "b")
            ]
            bad = tasks.create_task(outcome(database, half, keys=["half"]))
            good.append(tasks.create_task(database.write(put("c"), keys=["c"])))

        assert [write.result() for write in good] == ["a", "b", "c"]
        assert isinstance(bad.result(), errors.InvalidArgument)
        assert await names(database) == ["a", "b", "c"]


async def test_looking_for_sessions_does_not_read_those_that_are_over(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(MANY)
    asked = await connection.prepare(f"EXPLAIN {numbered(TO_TAKE)}")
    plan = "; ".join(row[0] for row in await asked.fetch(*(1, "repl_1") * 3, 8))
    await connection.close()
    assert "Seq Scan on sessions" not in plan


async def test_a_database_that_lets_nobody_in_any_more_is_unavailable() -> None:
    async def refuse() -> PostgresConnection:
        raise asyncpg.InsufficientPrivilegeError("permission denied for database")

    writer = Writer(refuse, "one")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(writer.run())
        for _ in range(2):
            with pytest.raises(errors.StoreUnavailable):
                await writer.write(put("a"), frozenset())
        await writer.stop()


# --- a database that is not there ---


async def test_a_lost_database_is_unavailable_and_heals(postgres: Postgres, url: str) -> None:
    async with PostgresDatabase(url) as database:
        await database.write(put("a"))
        with postgres.stopped():
            with pytest.raises(errors.StoreUnavailable) as caught:
                await database.write(put("b"))
            assert caught.value.retry_after == 1
            with pytest.raises(errors.StoreUnavailable):
                await names(database)

        await database.write(put("c"))
        assert await names(database) == ["a", "c"]


async def test_connections_that_were_lost_meanwhile_are_made_again(
    postgres: Postgres, url: str
) -> None:
    async with PostgresDatabase(url) as database:
        await database.write(put("a"))
        with postgres.stopped():
            pass

        await database.write(put("b"))
        assert await names(database) == ["a", "b"]


async def test_a_database_that_cannot_be_used_is_told_of_in_a_line_without_the_password(
    postgres: Postgres, url: str
) -> None:
    wrong = {
        "Connect call failed": url.replace(f":{postgres.port}/", ":1/"),
        "password authentication failed": url.replace(PASSWORD, "guessed"),
        "does not exist": url.replace("/test_", "/gone_"),
        "its URL has an error": url.replace("never-shown", "never/shown"),
        "database cannot be used": url.replace("never-shown", "[never]shown"),
    }
    for why, text in wrong.items():
        with pytest.raises(DatabaseUnreachable, match=why) as caught:
            async with PostgresDatabase(text):
                pass
        assert not re.search(r"guessed|never|shown|\n", str(caught.value))


# --- the schema ---


async def test_a_newer_schema_is_refused(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("UPDATE agentfield_schema SET version = 99")
    await connection.close()

    with pytest.raises(SchemaTooNew, match="99"):
        async with PostgresDatabase(url):
            pass


async def test_servers_that_start_together_migrate_once(postgres: Postgres) -> None:
    async def start(url: str) -> None:
        async with PostgresDatabase(url):
            pass

    async with postgres.database("template0") as url:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(3):
                tasks.create_task(start(url))
        async with PostgresDatabase(url) as database:
            version = await database.read(
                lambda c: c.execute("SELECT version FROM agentfield_schema").fetchall()
            )

    assert version == [(len(migrations()),)]


async def test_what_an_older_server_has_written_is_there_after_the_migration(
    postgres: Postgres,
) -> None:
    first = resources.files("agentfield.store.migrations") / "0001_first.sql"
    async with postgres.database("template0") as url:
        connection = await asyncpg.connect(url)
        await connection.execute(translated(first.read_text()))
        await connection.execute("CREATE TABLE agentfield_schema AS SELECT 1 AS version")
        await connection.execute("INSERT INTO nodes VALUES ('n', '1', '', '', 0, 0)")
        await connection.close()

        async with PostgresDatabase(url) as database:
            node = await SqlNodes(database).get("n")

    assert node is not None
    assert node.version == "1"


def test_question_marks_in_texts_stay() -> None:
    assert numbered("SELECT '?' , ? WHERE a = ? -- b") == "SELECT '?' , $1 WHERE a = $2 -- b"
