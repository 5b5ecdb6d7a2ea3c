"""SQLite with one writer thread and group commit.

What many requests write at the same moment becomes one transaction, with a savepoint for each, so
that one bad write does not fail its neighbours; each is answered when the transaction is on disk.
Reads have connections of their own and never wait for a write.
"""

from __future__ import annotations

__all__ = ["DataFolderInUse", "SqliteConnection", "SqliteDatabase"]

import asyncio
import fcntl
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

from agentfield.process.outcomes import Outcome, attempt
from agentfield.store.database import Connection, SchemaTooNew, unavailable
from agentfield.store.migrations import migrations
from agentfield.telemetry import committing

T = TypeVar("T")

MAX_GROUP = 512
MAX_WAITING = 100_000
READERS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Write:
    """One write that waits for its turn, and where to answer."""

    run: Callable[[Connection], Any]
    answer: asyncio.Future[Any]


class DataFolderInUse(RuntimeError):
    """Another server runs on the same data folder."""


class SqliteConnection(sqlite3.Connection):
    """A connection to SQLite: no other process writes, so nothing has to be locked."""

    for_update = ""
    skip_locked = ""

    def lock(self, name: str) -> None:
        """Have what the folder's lock has given already."""


class SqliteDatabase:
    """One SQLite file in a data folder that this process has for itself."""

    is_exclusive = True

    def __init__(self, folder: Path, *, clock: Callable[[], int] | None = None) -> None:
        self._folder = folder
        self._path = folder / "agentfield.db"
        self.now = clock or (lambda: time.time_ns() // 1000)
        """The store's clock, in microseconds since the epoch."""
        self._writes: queue.Queue[_Write | None] = queue.Queue(MAX_WAITING)
        self._local = threading.local()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._lock = _lock_folder(self._folder)
        with ExitStack() as undo:
            undo.callback(self._lock.close)
            await asyncio.to_thread(self._migrate)
            undo.pop_all()
        self._readers = ThreadPoolExecutor(READERS, "store-read")
        self._writer = threading.Thread(target=self._write_forever, name="store-write")
        self._writer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writes.put(None)
        await asyncio.to_thread(self._writer.join)
        await asyncio.to_thread(self._readers.shutdown)
        self._lock.close()

    async def write(self, run: Callable[[Connection], T], *, keys: Collection[str] = ()) -> T:  # noqa: ARG002 - one thread runs them one by one
        """Run a write and return its result once it is on disk.

        What ``run`` raises undoes its own changes only. Raises StoreUnavailable when the database
        cannot write, for instance because the disk is full.
        """
        answer: asyncio.Future[T] = self._loop.create_future()
        try:
            self._writes.put_nowait(_Write(run=run, answer=answer))
        except queue.Full:
            raise unavailable("too many writes wait") from None
        return await answer

    async def read(self, run: Callable[[Connection], T]) -> T:
        """Run a read on a snapshot of what is committed."""
        return await self._loop.run_in_executor(self._readers, self._read, run)

    def _read(self, run: Callable[[Connection], T]) -> T:
        connection: SqliteConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = _connect(self._path)
            connection.execute("PRAGMA query_only = ON")
        try:
            return run(connection)
        except sqlite3.OperationalError as error:
            raise unavailable(str(error)) from error

    def _migrate(self) -> None:
        connection = _connect(self._path)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            version: int = connection.execute("PRAGMA user_version").fetchone()[0]
            steps = migrations()
            if version > len(steps):
                raise SchemaTooNew(
                    f"{self._path} has schema {version}; this server knows up to {len(steps)}. "
                    "Start a newer server."
                )
            for number, sql in enumerate(steps[version:], version + 1):
                connection.executescript(
                    f"BEGIN IMMEDIATE;\n{sql}\nPRAGMA user_version = {number};\nCOMMIT;"
                )
        finally:
            connection.close()

    def _write_forever(self) -> None:
        connection = _connect(self._path)
        connection.execute("PRAGMA synchronous = FULL")
        stopping = False
        while not stopping:
            group = [self._writes.get()]
            while len(group) < MAX_GROUP and not self._writes.empty():
                group.append(self._writes.get_nowait())
            stopping = None in group
            writes = [write for write in group if write]
            with committing(len(group)):
                outcomes = self._commit(connection, writes)
            self._loop.call_soon_threadsafe(_answer, writes, outcomes)
        connection.close()

    def _commit(self, connection: SqliteConnection, group: list[_Write]) -> list[Outcome[Any]]:
        try:
            connection.execute("BEGIN IMMEDIATE")
            outcomes = [_run_in_savepoint(connection, write) for write in group]
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            return [Outcome(error=unavailable(str(error)))] * len(group)
        return outcomes


def _run_in_savepoint(connection: SqliteConnection, write: _Write) -> Outcome[Any]:
    connection.execute("SAVEPOINT one")
    done = attempt(partial(write.run, connection))
    if isinstance(done.error, sqlite3.OperationalError):
        raise done.error  # the disk or the database itself: the whole group fails
    if done.error is not None:
        connection.execute("ROLLBACK TO one")
    connection.execute("RELEASE one")
    return done


def _answer(group: Sequence[_Write], outcomes: Sequence[Outcome[Any]]) -> None:
    for write, done in zip(group, outcomes, strict=True):
        done.tell(write.answer)


def _connect(path: Path) -> SqliteConnection:
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, factory=SqliteConnection
    )
    connection.execute("PRAGMA busy_timeout = 10000")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _lock_folder(folder: Path) -> Any:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = (folder / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise DataFolderInUse(
            f"Another server runs on {folder}; stop it or choose another --data-dir."
        ) from None
    return lock
