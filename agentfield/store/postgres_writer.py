"""The one writer of a process on PostgreSQL: what waits at one moment becomes one transaction.

A group runs without savepoints first. Only when one of its writes fails after it has changed
something is all of it rolled back and run again, with a savepoint for each.
"""

from __future__ import annotations

__all__ = ["Writer"]

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg

from agentfield.process.outcomes import Outcome, attempted
from agentfield.store.database import Connection, WriteConflict, unavailable
from agentfield.store.postgres_connection import (
    IN_THE_WAY,
    TROUBLE,
    PostgresConnection,
    reason_of,
)
from agentfield.store.postgres_lanes import Lane
from agentfield.store.postgres_notices import Hint, notifications
from agentfield.telemetry import committing
from agentfield.v1 import errors

T = TypeVar("T")
log = logging.getLogger("agentfield.store")

MAX_GROUP = 256
MAX_WAITING = 100_000
MAX_HINTS = 2000
"""In one group; others are lost, and cost what a lost hint costs."""
ATTEMPTS = 5
"""How often a group is tried that others get in the way of."""
BACKOFF_SECONDS = 0.02
NOT_TO_LAST = "SET LOCAL synchronous_commit = off;"
"""What only held rows, or told of something, need not wait for the disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Write:
    """One write that waits for its turn, and where to answer."""

    run: Callable[[Connection], Any]
    keys: frozenset[str]
    """What it is about: writes about other things may run beside it. Empty: none may."""
    answer: asyncio.Future[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """What came of a write."""

    outcome: Outcome[Any]
    has_changed: bool = True
    """Whether anything may have been written."""


class _Group:
    """What becomes one transaction."""

    def __init__(self) -> None:
        self.writes: list[_Write] = []
        self.hints: list[Hint] = []
        self.is_last = False

    def __bool__(self) -> bool:
        return bool(self.writes or self.hints)

    def add(self, one: _Write | Hint | None) -> None:
        if one is None:
            self.is_last = True
        elif isinstance(one, _Write):
            self.writes.append(one)
        elif len(self.hints) < MAX_HINTS:
            self.hints.append(one)


class _SpoiledError(Exception):
    """A write failed after it had changed something."""


class Writer:
    """Takes writes in the order they are asked for, on a connection of its own."""

    def __init__(self, connect: Callable[[], Awaitable[PostgresConnection]], name: str) -> None:
        self._connect = connect
        self._name = name
        self._connection: PostgresConnection | None = None
        self._waiting: asyncio.Queue[_Write | Hint | None] = asyncio.Queue(MAX_WAITING)

    async def write(self, run: Callable[[Connection], T], keys: frozenset[str]) -> T:
        """Run a write and return its result once it is committed. Raises StoreUnavailable."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        try:
            self._waiting.put_nowait(_Write(run=run, keys=keys, answer=answer))
        except asyncio.QueueFull:
            raise unavailable("too many writes wait") from None
        return await answer

    def tell(self, topic: str, key: str) -> None:
        """Tell the other servers with the commit of the write that is asked for next.

        Where no write follows at once it is told by itself.
        """
        if not self._waiting.full():
            self._waiting.put_nowait((topic, key))

    async def run(self) -> None:
        """Write until told to stop."""
        while True:
            first = await self._waiting.get()
            group = _Group()
            group.add(first)
            # A group ends with a write or with all that waits: so no hint is ahead of its write.
            while len(group.writes) < MAX_GROUP and not self._waiting.empty():
                group.add(self._waiting.get_nowait())
            if group:
                with committing(len(group.writes)):
                    done = await self._store(group)
                _answer(group.writes, done)
            if group.is_last:
                break
        if self._connection is not None:
            await self._connection.close()

    async def stop(self) -> None:
        """Have ``run`` return when everything that waits is written."""
        await self._waiting.put(None)

    async def _store(self, group: _Group) -> list[_Done]:
        """Write a group, again where that may help; return what came of each write."""
        writes, notices = group.writes, notifications(self._name, group.hints)
        careful, was_lost = False, False
        failure: BaseException | None = None
        for attempt in range(ATTEMPTS):
            try:
                return await self._transaction(writes, notices, careful=careful)
            except _SpoiledError:
                careful = True
            except (*IN_THE_WAY, WriteConflict) as error:
                failure = error
                log.info("writes are run again", extra={"reason": reason_of(error)})
                await asyncio.sleep(BACKOFF_SECONDS * random.random() * 2**attempt)  # noqa: S311 - spread
            except (*TROUBLE, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                failure = error
                if was_lost:
                    break
                was_lost = True
            except errors.StoreUnavailable as error:
                return [_Done(outcome=Outcome(error=error))] * len(writes)
        detail = reason_of(failure or WriteConflict())
        log.warning("writes failed", extra={"reason": detail, "writes": len(writes)})
        return [_Done(outcome=Outcome(error=unavailable(detail)))] * len(writes)

    async def _transaction(
        self, writes: Sequence[_Write], notices: str, *, careful: bool
    ) -> list[_Done]:
        if self._connection is None:
            self._connection = await self._connect()
        connection = self._connection
        with ExitStack() as undo:  # nobody knows what goes on there after anything unforeseen
            undo.callback(self._drop, connection)
            try:
                done = await _stored(connection, writes, notices, careful=careful)
            except (_SpoiledError, *IN_THE_WAY, WriteConflict):
                undo.pop_all()
                await self._roll_back(connection)
                raise
            undo.pop_all()
        return done

    async def _roll_back(self, connection: PostgresConnection) -> None:
        try:
            await connection.driver.execute("ROLLBACK")
        except (*TROUBLE, asyncpg.InterfaceError):
            self._drop(connection)

    def _drop(self, connection: PostgresConnection) -> None:
        connection.driver.terminate()
        self._connection = None


async def _stored(
    connection: PostgresConnection, writes: Sequence[_Write], notices: str, *, careful: bool
) -> list[_Done]:
    if not writes:
        await connection.driver.execute(f"BEGIN; {NOT_TO_LAST} {notices} COMMIT")
        return []
    await connection.driver.execute("BEGIN")
    if careful:
        done = [await _run_in_savepoint(connection, write) for write in writes]
    else:
        done = [one for wave in _waves(writes) for one in await _run(connection, wave)]
    lasting = "" if any(one.has_changed for one in done) else NOT_TO_LAST
    await _commit(connection, f"{lasting} {notices}")
    return done


def _waves(writes: Sequence[_Write]) -> Iterator[list[_Write]]:
    """Part writes, in their order, into those that may run side by side."""
    wave: list[_Write] = []
    taken: set[str] = set()
    for write in writes:
        if wave and not (write.keys and taken and taken.isdisjoint(write.keys)):
            yield wave
            wave, taken = [], set()
        wave.append(write)
        taken |= write.keys
    if wave:
        yield wave


async def _run(connection: PostgresConnection, wave: Sequence[_Write]) -> list[_Done]:
    lanes = [Lane(write.run) for write in wave]
    try:
        await connection.run_side_by_side(lanes)
    except asyncpg.PostgresError as error:
        if connection.is_at_fault(error):
            raise
        raise _SpoiledError from error
    for lane in lanes:
        failure = lane.outcome.error
        if isinstance(failure, WriteConflict):
            raise failure
        if failure is not None and lane.has_changed:
            raise _SpoiledError from failure
    return [_Done(outcome=lane.outcome, has_changed=lane.has_changed) for lane in lanes]


async def _run_in_savepoint(connection: PostgresConnection, write: _Write) -> _Done:
    await connection.driver.execute("SAVEPOINT one")
    done = await attempted(connection.run(write.run))
    if done.error is None:
        await connection.driver.execute("RELEASE one")
    elif isinstance(done.error, WriteConflict) or connection.is_at_fault(done.error):
        raise done.error  # the whole group fails
    else:
        await connection.driver.execute("ROLLBACK TO one; RELEASE one")
    return _Done(outcome=done)


async def _commit(connection: PostgresConnection, first: str) -> None:
    try:
        await connection.driver.execute(f"{first} COMMIT")
    except asyncpg.TransactionRollbackError:
        raise
    except (*TROUBLE, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise errors.StoreUnavailable(
            f"The store was lost while it wrote ({reason_of(error)}); whether this was stored is"
            " not known, try again.",
            retry_after=1,
        ) from error


def _answer(writes: Sequence[_Write], done: Sequence[_Done]) -> None:
    for write, one in zip(writes, done, strict=True):
        one.outcome.tell(write.answer)
