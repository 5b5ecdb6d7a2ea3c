"""PostgreSQL: one writer that commits in groups, and a few connections that read."""

from __future__ import annotations

__all__ = ["PostgresDatabase"]

import asyncio
import secrets
import time
from collections.abc import Callable, Collection
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Self, TypeVar
from urllib.parse import urlsplit

import asyncpg

from agentfield.store.database import Connection, DatabaseUnreachable, unavailable
from agentfield.store.postgres_connection import (
    TROUBLE,
    PostgresConnection,
    connect,
    reason_of,
)
from agentfield.store.postgres_listener import Listener
from agentfield.store.postgres_schema import migrate
from agentfield.store.postgres_writer import Writer
from agentfield.v1 import errors

T = TypeVar("T")

READERS = 4
READER_SECONDS = 10.0
"""How long a read may wait for a connection."""
MIGRATION_SECONDS = 600.0
"""How long migrations may take, or waiting for another server's."""
CLOCK_SECONDS = 10.0
"""How often the database is asked for its time."""
CLOCK_SAMPLES = 3


class PostgresDatabase:
    """One PostgreSQL database, which other servers may use at the same time."""

    is_exclusive = False

    def __init__(self, url: str, *, clock: Callable[[], int] | None = None) -> None:
        self._url = url
        self._offset = 0
        """What is added to this process's monotonic clock, in microseconds."""
        self.now = clock or self._database_time
        """The database's clock, in microseconds since the epoch."""
        name = secrets.token_hex(8)  # which server a notification is from
        self._writer = Writer(partial(connect, url), name)
        self._listener = Listener(url, name)
        self._readers: asyncio.LifoQueue[PostgresConnection | None] = asyncio.LifoQueue()
        for _ in range(READERS):
            self._readers.put_nowait(None)

    async def __aenter__(self) -> Self:
        try:
            await self._prepare()
        except (*TROUBLE, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            await self._close_readers()
            raise DatabaseUnreachable(
                f"The database{_shown(self._url)} cannot be used: {_told(error)}."
            ) from None
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._close_readers)
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            tasks.create_task(self._writer.run(), name="store-write")
            for work, name in (
                (self._keep_time(), "store-clock"),
                (self._listener.run(), "store-hear"),
            ):
                stack.callback(tasks.create_task(work, name=name).cancel)
            stack.push_async_callback(self._writer.stop)
            self._undo = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._undo.aclose()

    async def write(self, run: Callable[[Connection], T], *, keys: Collection[str] = ()) -> T:
        """Run a write and return its result once it is on disk.

        What ``run`` raises undoes its own changes only. It may run more than once. Raises
        StoreUnavailable when the database cannot write, or is not there.
        """
        return await self._writer.write(run, frozenset(keys))

    async def read(self, run: Callable[[Connection], T]) -> T:
        """Run a read of what is committed. Raises StoreUnavailable."""
        try:
            return await self._read(run)
        except errors.StoreUnavailable:
            # The connection may have been lost long ago, while it was idle: the next is new.
            return await self._read(run)

    def tell(self, topic: str, key: str) -> None:
        """Have a hint arrive at other servers with the commit of the write that follows it."""
        self._writer.tell(topic, key)

    def attach(self, *, heard: Callable[[str, str], None], missed: Callable[[], None]) -> None:
        """Have hints of other servers told here, and that some may have been missed."""
        self._listener.attach(heard=heard, missed=missed)

    async def _read(self, run: Callable[[Connection], T]) -> T:
        try:
            async with asyncio.timeout(READER_SECONDS):
                connection = await self._readers.get()
        except TimeoutError:
            raise unavailable("too many reads wait") from None
        try:
            if connection is None:
                connection = await connect(self._url, default_transaction_read_only="on")
            return await connection.run(run)
        except (*TROUBLE, asyncpg.InterfaceError) as error:
            if connection is not None:
                if not connection.is_at_fault(error):
                    raise
                connection.driver.terminate()
            raise unavailable(reason_of(error)) from error
        finally:
            is_lost = connection is None or connection.driver.is_closed()
            self._readers.put_nowait(None if is_lost else connection)

    async def _prepare(self) -> None:
        connection = await connect(self._url, seconds=MIGRATION_SECONDS)
        try:
            await migrate(connection.driver)
        finally:
            await connection.close()
        await self._set_clock()

    async def _close_readers(self) -> None:
        for _ in range(READERS):
            if connection := await self._readers.get():
                await connection.close()

    def _database_time(self) -> int:
        return time.monotonic_ns() // 1000 + self._offset

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(CLOCK_SECONDS)
            with suppress(errors.StoreUnavailable):
                await self._set_clock()

    async def _set_clock(self) -> None:
        """Measure how far the database's clock is from ours, to half a round trip."""
        samples = []
        for _ in range(CLOCK_SAMPLES):
            before = time.monotonic_ns()
            there = await self.read(_time_there)
            took = time.monotonic_ns() - before
            samples.append((took // 2000, there - (before + took // 2) // 1000))
        inexact, offset = min(samples)
        if abs(offset - self._offset) > inexact:
            self._offset = offset


def _time_there(connection: Connection) -> int:
    sql = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"
    there: int = connection.execute(sql).fetchone()[0]
    return there


def _shown(url: str) -> str:
    """Return which database a URL names: never the user or the password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""  # brackets, of a password perhaps
    if "@" in parts.path + parts.query + parts.fragment:
        return ""  # a password that was not encoded
    return f" {parts.path.strip('/')} at {parts.hostname or 'its socket'}"


def _told(error: BaseException) -> str:
    # The driver's texts about a URL may show parts of it.
    if isinstance(error, ValueError) and not isinstance(error, OSError):  # a certificate is both
        return "its URL has an error"
    return str(error).partition("\n")[0].rstrip(".") or reason_of(error)
