"""One connection to PostgreSQL, as synchronous functions have it."""

from __future__ import annotations

__all__ = ["IN_THE_WAY", "TROUBLE", "PostgresConnection", "connect", "numbered", "reason_of"]

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

from agentfield.process.outcomes import attempted
from agentfield.store.database import Connection, WriteConflict
from agentfield.store.postgres_lanes import Answer, Lane, Many, One

T = TypeVar("T")

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


class PostgresConnection:
    """Runs functions that ask for statements; each statement is prepared once."""

    def __init__(self, driver: asyncpg.Connection[Any]) -> None:
        self.driver = driver
        self._prepared: dict[str, PreparedStatement[Any]] = {}

    def is_at_fault(self, error: BaseException) -> bool:
        """Return whether an error is the database's, or the connection's, not one statement's."""
        return isinstance(error, TROUBLE) or self.driver.is_closed()

    async def run(self, function: Callable[[Connection], T]) -> T:
        """Run a function and return its result."""
        lane = Lane(function)
        try:
            while lane.asked:
                answered = await attempted(self._answer(lane.asked))
                if answered.error is not None:
                    lane.fail(answered.error)
                else:
                    lane.answer(answered.get())
        finally:
            lane.leave()
        return lane.outcome.get()

    async def run_side_by_side(self, lanes: Sequence[Lane[Any]]) -> None:
        """Run functions to their ends; what they ask for at the same moment is one round trip."""
        while waiting := [lane for lane in lanes if lane.asked]:
            for alike in _alike(waiting):
                for lane, answer in zip(alike, await self._answer_all(alike), strict=True):
                    lane.answer(answer)

    async def _answer_all(self, lanes: Sequence[Lane[Any]]) -> list[Answer]:
        """Answer what several functions wait for, all of them for the same statement."""
        asked = [lane.asked for lane in lanes if lane.asked]
        if len(asked) == 1:
            return [await self._answer(asked[0])]
        if isinstance(asked[0], Many):
            rows = [row for each in asked if isinstance(each, Many) for row in each.rows]
            return [await self._answer(Many(asked[0].sql, rows))] * len(asked)
        statement = await self._prepare(together(asked[0].sql))
        values = [
            _storable([*each.values, index])
            for index, each in enumerate(asked)
            if isinstance(each, One)
        ]
        found: list[list[tuple[Any, ...]]] = [[] for _ in asked]
        for row in await statement.fetchmany(values):
            found[row[0]].append(tuple(row[1:]))
        if is_counted(asked[0].sql):
            return [Answer([], rows[0][0]) for rows in found]
        return [Answer(rows, len(rows)) for rows in found]

    async def close(self) -> None:
        """Take leave of the server, if it is there."""
        try:
            await self.driver.close(timeout=CLOSE_SECONDS)
        except (*TROUBLE, asyncpg.InterfaceError):
            self.driver.terminate()

    async def _answer(self, asked: One | Many) -> Answer:
        statement = await self._prepare(asked.sql)
        if isinstance(asked, Many):
            await statement.executemany([_storable(row) for row in asked.rows])
            return Answer([], -1)
        rows = await statement.fetch(*_storable(asked.values))
        _, _, count = (statement.get_statusmsg() or "").rpartition(" ")
        return Answer([tuple(row) for row in rows], int(count) if count.isdecimal() else -1)

    async def _prepare(self, sql: str) -> PreparedStatement[Any]:
        statement = self._prepared.get(sql)
        if statement is None:
            if len(self._prepared) >= MAX_STATEMENTS:
                self._prepared.clear()
            statement = self._prepared[sql] = await self.driver.prepare(numbered(sql))
        return statement


def _alike(lanes: Sequence[Lane[Any]]) -> list[list[Lane[Any]]]:
    """Sort by statement, in the order in which each is asked for first."""
    groups: dict[tuple[type, str], list[Lane[Any]]] = {}
    for lane in lanes:
        if lane.asked:
            groups.setdefault((type(lane.asked), lane.asked.sql), []).append(lane)
    return list(groups.values())


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


@lru_cache(maxsize=1000)
def together(sql: str) -> str:
    """Return a statement whose rows begin with its last value: the number of who asked.

    Of what writes without returning anything it returns how many rows were written.
    """
    asked = numbered(sql)
    who = f"CAST(${len(re.findall(r'[$][0-9]+', asked)) + 1} AS BIGINT)"
    if sql.startswith(("SELECT ", "WITH ")):
        return f"SELECT {who}, asked.* FROM ({asked}) AS asked"
    if is_counted(sql):
        return f"WITH asked AS ({asked} RETURNING 1) SELECT {who}, count(*) FROM asked"
    return f"WITH asked AS ({asked}) SELECT {who}, asked.* FROM asked"


def is_counted(sql: str) -> bool:
    """Return whether of a statement only the number of rows is to be known."""
    return not sql.startswith(("SELECT ", "WITH ")) and " RETURNING " not in sql


def _storable(values: Sequence[Any]) -> list[Any]:
    # A text of PostgreSQL cannot have U+0000 in it.
    return [
        value.replace("\0", "\N{REPLACEMENT CHARACTER}")
        if isinstance(value, str) and "\0" in value
        else value
        for value in values
    ]
