"""Durable inserts: the store's group commit against plain SQLite."""

from __future__ import annotations

__all__ = ["measure"]

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from agentfield.identity import ANYONE
from agentfield.ids import new_id
from agentfield.store.executions import SqlExecutions
from agentfield.store.nodes import SqlNodes
from agentfield.store.sqlite import SqliteDatabase
from bench.measure import Sample, Subject, interleaved, table
from bench.rows import LIMITS, NODE, submission

ROWS = 3000
INSERTERS = 100
SECONDS = 1.0
"""How long committing each row may take, on slow disks."""
TITLE = f"store: executions on disk; {INSERTERS} inserters at once against one plain connection"

Row = tuple[Any, ...]


async def measure() -> str:
    """Return the table. All three fill a database of the same schema with rows of the same size."""
    with tempfile.TemporaryDirectory() as folder:
        ours, single, bulk = (Path(folder, name) for name in ("ours", "single", "bulk"))
        for plain in (single, bulk):
            async with SqliteDatabase(plain):
                pass  # it has the schema now
        async with SqliteDatabase(ours) as database:
            await SqlNodes(database).register(NODE, ANYONE)
            store = SqlExecutions(database)
            await store.add(submission(), LIMITS)
            row = await database.read(lambda c: c.execute("SELECT * FROM executions").fetchone())
            with _plain(single) as one, _plain(bulk) as other:
                at = _position_of_id(one)
                subjects = [
                    Subject(name="executemany, one commit", run=partial(_bulk, other, row, at)),
                    Subject(
                        name="SqlExecutions.add",
                        run=partial(_add, store),
                        yardstick="executemany, one commit",
                    ),
                    Subject(
                        name="a commit for each row",
                        run=partial(_single, one, row, at),
                        yardstick="executemany, one commit",
                    ),
                ]
                return table(TITLE, subjects, await interleaved(subjects, rounds=5))


@contextmanager
def _plain(folder: Path) -> Iterator[sqlite3.Connection]:
    path = folder / "agentfield.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        yield connection


def _position_of_id(connection: sqlite3.Connection) -> int:
    columns = connection.execute("SELECT * FROM executions LIMIT 0").description
    return [name for name, *_ in columns].index("execution_id")


def _fresh(row: Row, at: int) -> list[Row]:
    """Return rows like the one given; the first column counts by itself."""
    return [(None, *row[1:at], new_id("exec"), *row[at + 1 :]) for _ in range(ROWS)]


def _insert(row: Row) -> str:
    return f"INSERT INTO executions VALUES ({', '.join('?' * len(row))})"  # noqa: S608 - marks only


async def _add(store: SqlExecutions) -> Sample:
    waiting = [submission() for _ in range(ROWS)]
    latencies: list[float] = []

    async def insert() -> None:
        while waiting:
            before = time.perf_counter()
            await store.add(waiting.pop(), LIMITS)
            latencies.append(time.perf_counter() - before)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(INSERTERS):
            tasks.create_task(insert())
    return _sample(latencies, began, asked=ROWS)


async def _single(connection: sqlite3.Connection, row: Row, at: int) -> Sample:
    rows, sql = _fresh(row, at), _insert(row)
    latencies: list[float] = []
    now = began = time.perf_counter()
    while rows and now - began < SECONDS:
        before = time.perf_counter()
        connection.execute(sql, rows.pop())
        now = time.perf_counter()
        latencies.append(now - before)
    return _sample(latencies, began, asked=len(latencies))


async def _bulk(connection: sqlite3.Connection, row: Row, at: int) -> Sample:
    rows, sql = _fresh(row, at), _insert(row)
    began = time.perf_counter()
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(sql, rows)
    connection.execute("COMMIT")
    seconds = time.perf_counter() - began
    return Sample(answered=ROWS, asked=ROWS, seconds=seconds, latency=None)


def _sample(latencies: list[float], began: float, *, asked: int) -> Sample:
    seconds = time.perf_counter() - began
    return Sample(answered=len(latencies), asked=asked, seconds=seconds, latency=median(latencies))
