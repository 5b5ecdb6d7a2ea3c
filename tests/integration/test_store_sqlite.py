"""SQLite alone: group commit, full disks, its folder and its schema."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path
from typing import cast

import pytest
from support.rows import names, put

from agentfield.identity import ANYONE
from agentfield.store.database import Connection, SchemaTooNew
from agentfield.store.nodes import SqlNodes
from agentfield.store.sqlite import DataFolderInUse, SqliteConnection, SqliteDatabase
from agentfield.store.work import SqlWork
from agentfield.v1 import errors

pytestmark = pytest.mark.integration


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    async with SqliteDatabase(tmp_path) as database:
        yield database


async def test_what_many_write_at_once_becomes_few_transactions(database: SqliteDatabase) -> None:
    commits: list[str] = []
    await database.write(lambda c: cast("SqliteConnection", c).set_trace_callback(commits.append))

    async with asyncio.TaskGroup() as tasks:
        writes = [tasks.create_task(database.write(put(f"n{i:04}"))) for i in range(1000)]

    assert [write.result() for write in writes] == [f"n{i:04}" for i in range(1000)]
    assert len(await names(database)) == 1000
    assert commits.count("COMMIT") < 20


async def test_a_full_disk_is_unavailable_and_heals(database: SqliteDatabase) -> None:
    await database.write(put("a"))
    pages = await database.write(lambda c: c.execute("PRAGMA page_count").fetchone()[0])
    await database.write(lambda c: c.execute(f"PRAGMA max_page_count = {pages + 1}"))

    def large(connection: Connection) -> None:
        connection.execute("INSERT INTO nodes VALUES ('big', ?, '', '', 0, 0)", ("x" * 1_000_000,))

    with pytest.raises(errors.StoreUnavailable) as caught:
        await database.write(large)
    assert caught.value.retry_after == 1
    assert await names(database) == ["a"]

    await database.write(lambda c: c.execute("PRAGMA max_page_count = 1000000"))
    await database.write(large)
    assert await names(database) == ["a", "big"]


async def test_every_commit_is_synced(database: SqliteDatabase) -> None:
    settings = await database.write(
        lambda c: [
            c.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode")
        ]
    )

    assert settings == [2, "wal"]


async def test_a_data_folder_has_one_server(database: SqliteDatabase, tmp_path: Path) -> None:
    with pytest.raises(DataFolderInUse, match="--data-dir"):
        async with SqliteDatabase(tmp_path):
            pass


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    async with SqliteDatabase(tmp_path):
        pass
    connection = sqlite3.connect(tmp_path / "agentfield.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.raises(SchemaTooNew, match="99"):
        async with SqliteDatabase(tmp_path):
            pass


async def test_migrations_run_once_and_leave_what_sessions_will_need(tmp_path: Path) -> None:
    async with SqliteDatabase(tmp_path) as first:
        await first.write(put("a"))
    async with SqliteDatabase(tmp_path) as second:
        assert await names(second) == ["a"]
        tables = await second.read(
            lambda c: {
                row[0]: {column[1] for column in c.execute(f"PRAGMA table_info({row[0]})")}
                for row in c.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            }
        )
    assert {"owner_epoch", "generation", "attempt", "created_by", "request_id"} <= tables[
        "sessions"
    ]
    assert {"parent_session_id", "root_session_id", "owner"} <= tables["sessions"]
    assert {"session_id", "replica_id", "kind", "payload", "result"} <= tables["session_commands"]


async def test_what_an_older_server_has_written_is_there_after_the_migration(
    tmp_path: Path,
) -> None:
    first = resources.files("agentfield.store.migrations") / "0001_first.sql"
    connection = sqlite3.connect(tmp_path / "agentfield.db")
    connection.executescript(first.read_text())
    connection.execute("PRAGMA user_version = 1")
    connection.execute("INSERT INTO nodes VALUES ('n', '1', '', '', 0, 0)")
    connection.execute(
        "INSERT INTO workers (worker_id, node_id, instance_id, function_names, seen_at)"
        " VALUES ('reg_1', 'n', 'w', '[\"f\"]', 5)"
    )
    connection.commit()
    connection.close()

    async with SqliteDatabase(tmp_path) as database:
        node = await SqlNodes(database).get("n")
        work = SqlWork(database)
        rejoined = await work.connect(
            "reg_1", "conn_1", max_executions=1, running=[], caller=ANYONE, replica_id="repl_1"
        )

    assert node is not None
    assert node.sessions == ()
    assert [(w.worker_id, w.seen_at, w.max_sessions) for w in node.workers] == [("reg_1", 5, 0)]
    assert rejoined.session_names == frozenset()
