"""The same writes and the same calls on SQLite and on PostgreSQL."""

from __future__ import annotations

__all__ = ["measure"]

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

from agentfield.executions.model import Execution, Status
from agentfield.identity import ANYONE
from agentfield.ids import new_id
from agentfield.sessions.declaration import Declaration
from agentfield.sessions.model import Session
from agentfield.sessions.ports import Append, Change
from agentfield.store.database import Connection, Database
from agentfield.store.executions import SqlExecutions
from agentfield.store.nodes import SqlNodes
from agentfield.store.postgres import PostgresDatabase
from agentfield.store.session_rows import insert_session
from agentfield.store.sessions import SqlSessions
from agentfield.store.sqlite import SqliteDatabase
from bench.calls import INPUT, execute, subject
from bench.measure import Sample, Subject, interleaved, table
from bench.postgres import postgres
from bench.rows import LIMITS, NODE, submission
from bench.servers import connected, control_plane
from bench.worker import echoing

ROWS = 600
ROUNDS = 4
AT_ONCE = (1, 100)
TITLE = "databases: durable writes of one process, and Execute through a server of its own"


async def measure() -> str:
    """Return the table."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        server = stack.enter_context(postgres())
        url, other = [await stack.enter_async_context(server.database()) for _ in range(2)]
        sqlite = await stack.enter_async_context(SqliteDatabase(Path(folder)))
        postgresql = await stack.enter_async_context(PostgresDatabase(url))
        stores = {"SQLite": _Store(sqlite), "PostgreSQL": _Store(postgresql)}
        for store in stores.values():
            await store.prepare()
        subjects = [
            Subject(
                name=f"{what}, {at_once} at once, {name}",
                run=partial(run, store, at_once),
                yardstick="" if name == "SQLite" else f"{what}, {at_once} at once, SQLite",
            )
            for what, run in (
                ("create an execution", _Store.create),
                ("complete one", _Store.complete),
                ("append an event to a log", _Store.append),
            )
            for at_once in AT_ONCE
            for name, store in stores.items()
        ]
        subjects += await _calls(stack, other)
        return table(TITLE, subjects, await interleaved(subjects, rounds=ROUNDS))


async def _calls(stack: AsyncExitStack, url: str) -> list[Subject]:
    subjects = []
    for name, database_url in (("SQLite", ""), ("PostgreSQL", url)):
        variables = {"AGENTFIELD_DATABASE_URL": database_url}
        plane = await stack.enter_async_context(control_plane(variables=variables))
        await stack.enter_async_context(echoing(plane.grpc, "worker"))
        channel = await stack.enter_async_context(connected(plane.grpc))
        subjects += [
            replace(
                subject("", execute(channel, "worker.echo"), at_once),
                name=f"Execute, {at_once} at once, {name}",
                yardstick=f"Execute, {at_once} at once, SQLite" if database_url else "",
            )
            for at_once in AT_ONCE
        ]
    return sorted(subjects, key=lambda each: each.name.rpartition(",")[0])


class _Store:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._executions = SqlExecutions(database)
        self._sessions = SqlSessions(database)
        self._ids: list[str] = []

    async def prepare(self) -> None:
        """Declare a function, and begin the sessions that are appended to."""
        await SqlNodes(self._database).register(NODE, ANYONE)
        self._ids = [new_id("sess") for _ in range(max(AT_ONCE))]

        def begin(connection: Connection) -> None:
            for session_id in self._ids:
                insert_session(connection, _session(session_id, self._database.now()), "")

        await self._database.write(begin)

    async def create(self, at_once: int) -> Sample:
        """Create executions."""
        return await _timed(at_once, (partial(self._create) for _ in range(_count(at_once))))

    async def complete(self, at_once: int) -> Sample:
        """Complete executions that were created before."""
        async with asyncio.TaskGroup() as tasks:
            created = [tasks.create_task(self._create()) for _ in range(_count(at_once))]
        return await _timed(at_once, (partial(self._complete, one.result()) for one in created))

    async def append(self, at_once: int) -> Sample:
        """Append to the logs of as many sessions as there are who append."""
        ids = [self._ids[number % at_once] for number in range(_count(at_once))]
        return await _timed(at_once, (partial(self._append, session_id) for session_id in ids))

    async def _create(self) -> Execution:
        return (await self._executions.add(submission(), LIMITS)).execution

    async def _complete(self, execution: Execution) -> object:
        return await self._executions.change(
            execution.execution_id,
            lambda known, _owner, now: replace(
                known, status=Status.SUCCEEDED, completed_at=now, result=INPUT
            ),
        )

    async def _append(self, session_id: str) -> object:
        changes: list[Change] = [Append(type="item.added", data={"text": "The quick brown fox."})]
        return await self._sessions.commit(session_id, 0, changes)


def _count(at_once: int) -> int:
    return ROWS if at_once > 1 else ROWS // 10


def _session(session_id: str, now: int) -> Session:
    declaration = Declaration(
        name="voice", provider="openai", transport="webrtc", model="m", modalities=("audio",)
    )
    return Session(
        session_id=session_id,
        node_id=NODE.node_id,
        declaration=declaration,
        run_id=new_id("run"),
        root_execution_id=new_id("exec"),
        created_at=now,
        connect_by=now,
    )


async def _timed(at_once: int, calls: Iterable[Callable[[], Awaitable[object]]]) -> Sample:
    """Make all the calls, so many at once."""
    waiting, latencies = iter(calls), list[float]()

    async def one_after_the_other() -> None:
        for call in waiting:
            before = time.perf_counter()
            await call()
            latencies.append(time.perf_counter() - before)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(at_once):
            tasks.create_task(one_after_the_other())
    seconds = time.perf_counter() - began
    count = len(latencies)
    return Sample(answered=count, asked=count, seconds=seconds, latency=median(latencies))
