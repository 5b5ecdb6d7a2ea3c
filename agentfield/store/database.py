"""What the store asks of a database: one set of statements, for SQLite and for PostgreSQL."""

from __future__ import annotations

__all__ = [
    "Connection",
    "Cursor",
    "Database",
    "DatabaseUnreachable",
    "SchemaTooNew",
    "WriteConflict",
    "unavailable",
]

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from agentfield.v1 import errors

T = TypeVar("T")


class SchemaTooNew(RuntimeError):
    """The database was written by a newer version of the server."""


class DatabaseUnreachable(RuntimeError):
    """The database cannot be used; the message says why, and shows no password."""


class WriteConflict(RuntimeError):
    """Another server has just written what this write was to be the first to write.

    The write is run again, and finds it.
    """


class Cursor(Protocol):
    """What a statement has answered."""

    @property
    def rowcount(self) -> int:
        """How many rows were written."""

    def fetchone(self) -> Any:
        """Return the next row, a sequence of values; None after the last."""

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """A connection as reads and writes have it: inside a transaction, for as long as they run.

    Statements have ``?`` for values and are valid for SQLite and for PostgreSQL.
    """

    for_update: str
    """What a SELECT ends with whose rows are written afterwards: nobody else changes them before
    the commit. Empty where one process writes at a time."""
    skip_locked: str
    """The same, without the rows that somebody else is about to write."""

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Cursor:
        """Run a statement."""

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> object:
        """Run a statement once for each of the rows."""

    def lock(self, name: str) -> None:
        """Wait until no other server holds the lock of this name, and hold it until the commit."""


class Database(Protocol):
    """Reads and writes of one database."""

    is_exclusive: bool
    """Whether no other process can use it."""
    now: Callable[[], int]
    """The database's clock, in microseconds since the epoch."""

    async def write(self, run: Callable[[Connection], T], *, keys: Collection[str] = ()) -> T:
        """Run a write and return its result once it is on disk.

        Writes take effect in the order they are asked for. One with ``keys`` is about these things
        alone (ids, say): the order among writes that share no key does not matter, and they may run
        side by side. What ``run`` raises undoes its own changes only; it may be run more than once,
        and only the last run counts. Raises StoreUnavailable when the database cannot write.
        """

    async def read(self, run: Callable[[Connection], T]) -> T:
        """Run a read of what is committed. Raises StoreUnavailable."""


def unavailable(detail: str) -> errors.StoreUnavailable:
    """Return the error of a database that does not take anything now."""
    return errors.StoreUnavailable(
        f"The store cannot be used now ({detail}); nothing was stored, try again.", retry_after=1
    )
