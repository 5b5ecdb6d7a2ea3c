"""One connection to PostgreSQL, as synchronous functions have it."""

from __future__ import annotations

__all__ = ["IN_THE_WAY", "TROUBLE", "PostgresConnection", "connect", "numbered", "reason_of"]

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

from agentfield.store.database import WriteConflict
from agentfield.store.waiting import wait_for

CONNECT_SECONDS = 5.0
COMMAND_SECONDS = 15.0
"""How long a statement may take until its connection is given up."""
CLOSE_SECONDS = 2.0
SETTINGS = {"application_name": "agentfield", "jit": "off"}
MAX_STATEMENTS = 300
"""How many statements stay prepared; there are fewer, but for lists of various lengths."""

IN_THE_WAY = (asyncpg.TransactionRollbackError, asyncpg.LockNotAvailableError)
"""Others wrote the same rows at the same time: deadlocks and the like."""
TROUBLE = (
    *IN_THE_WAY,
    asyncpg.PostgresConnectionError,
    asyncpg.InternalClientError,
    asyncpg.InvalidCachedStatementError,
    asyncpg.OperatorInterventionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    OSError,
    TimeoutError,
)
"""These are of the database or of the way to it, not of a statement."""

REASONS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((TimeoutError, asyncpg.QueryCanceledError), "the database did not answer in time"),
    ((asyncpg.DiskFullError,), "the disk of the database is full"),
    ((asyncpg.TooManyConnectionsError,), "the database takes no more connections"),
    ((asyncpg.ReadOnlySQLTransactionError,), "the database takes no writes"),
    ((*IN_THE_WAY, WriteConflict), "others wrote the same at the same time"),
    (
        (
            OSError,
            asyncpg.PostgresConnectionError,
            asyncpg.InterfaceError,
            asyncpg.OperatorInterventionError,
        ),
        "there is no connection to the database",
    ),
)


class _Rows:
    """What a statement has answered."""

    __slots__ = ("_next", "_rows", "rowcount")

    def __init__(self, rows: list[tuple[Any, ...]], rowcount: int) -> None:
        self._rows = rows
        self._next = 0
        self.rowcount = rowcount

    def fetchone(self) -> tuple[Any, ...] | None:
        if self._next >= len(self._rows):
            return None
        self._next += 1
        return self._rows[self._next - 1]

    def fetchall(self) -> list[tuple[Any, ...]]:
        left, self._next = self._rows[self._next :], len(self._rows)
        return left

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.fetchall())


class PostgresConnection:
    """Runs the store's statements, each prepared once."""

    for_update = " FOR UPDATE"
    skip_locked = " FOR UPDATE SKIP LOCKED"

    def __init__(self, driver: asyncpg.Connection[Any]) -> None:
        self.driver = driver
        self.has_changed = False
        """Whether anything may have been written since this was set to False."""
        self._prepared: dict[str, PreparedStatement[Any]] = {}

    def is_at_fault(self, error: BaseException) -> bool:
        """Return whether an error is the database's, or the connection's, not one statement's."""
        return isinstance(error, TROUBLE) or self.driver.is_closed()

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> _Rows:
        """Run a statement."""
        return wait_for(self._execute(sql, values))

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> None:
        """Run a statement once for each of the rows, in one round trip."""
        if values := [_storable(row) for row in rows]:
            wait_for(self._execute_many(sql, values))

    def lock(self, name: str) -> None:
        """Wait until no other server holds the lock of this name, and hold it until the commit."""
        self.execute("SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", (name,))

    async def close(self) -> None:
        """Take leave of the server, if it is there."""
        try:
            await self.driver.close(timeout=CLOSE_SECONDS)
        except (*TROUBLE, asyncpg.InterfaceError):
            self.driver.terminate()

    async def _execute(self, sql: str, values: Sequence[Any]) -> _Rows:
        self.has_changed |= not sql.startswith("SELECT ")
        statement = await self._prepare(sql)
        rows = await statement.fetch(*_storable(values))
        _, _, count = (statement.get_statusmsg() or "").rpartition(" ")
        return _Rows([tuple(row) for row in rows], int(count) if count.isdecimal() else -1)

    async def _execute_many(self, sql: str, rows: list[list[Any]]) -> None:
        self.has_changed = True
        statement = await self._prepare(sql)
        await statement.executemany(rows)

    async def _prepare(self, sql: str) -> PreparedStatement[Any]:
        statement = self._prepared.get(sql)
        if statement is None:
            if len(self._prepared) >= MAX_STATEMENTS:
                self._prepared.clear()
            statement = self._prepared[sql] = await self.driver.prepare(numbered(sql))
        return statement


async def connect(
    url: str, *, seconds: float = COMMAND_SECONDS, **settings: str
) -> PostgresConnection:
    """Connect, with further settings of the server.

    ``seconds`` is how long a statement may take; the server gives up earlier than we do.
    """
    driver = await asyncpg.connect(
        url,
        timeout=CONNECT_SECONDS,
        command_timeout=seconds,
        statement_cache_size=0,
        server_settings=SETTINGS
        | {
            "statement_timeout": f"{seconds * 0.7:.0f}s",
            "lock_timeout": f"{seconds * 0.35:.0f}s",
            "idle_in_transaction_session_timeout": f"{seconds * 2:.0f}s",
        }
        | settings,
    )
    return PostgresConnection(driver)


def reason_of(error: BaseException) -> str:
    """Return in a few words what is wrong: nothing that was written, no address, no password."""
    for kinds, words in REASONS:
        if isinstance(error, kinds):
            return words
    state = getattr(error, "sqlstate", None)
    return f"the database failed with {state or type(error).__name__}"


@lru_cache(maxsize=1000)
def numbered(sql: str) -> str:
    """Return a statement with ``$1``, ``$2`` in place of its question marks."""
    parts, number = re.split(r"('[^']*'|\?)", sql), 0
    for index, part in enumerate(parts):
        if part == "?":
            number += 1
            parts[index] = f"${number}"
    return "".join(parts)


def _storable(values: Sequence[Any]) -> list[Any]:
    # A text of PostgreSQL cannot have U+0000 in it.
    return [
        value.replace("\0", "\N{REPLACEMENT CHARACTER}")
        if isinstance(value, str) and "\0" in value
        else value
        for value in values
    ]
