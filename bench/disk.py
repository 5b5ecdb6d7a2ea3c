"""The disk that the databases are on: what one commit costs there."""

from __future__ import annotations

__all__ = ["COMMIT", "Disk", "open_disk"]

import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

COMMIT = "one commit, plain SQLite"


class Disk:
    """A database with the control plane's settings and one table."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def commit(self) -> float:
        """Insert a row of the size of an event, and return how many seconds that took."""
        began = time.perf_counter()
        self._connection.execute("INSERT INTO rows VALUES (?)", (b"x" * 300,))
        return time.perf_counter() - began


@contextmanager
def open_disk() -> Iterator[Disk]:
    """Open a database of its own, removed at the end."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.db")
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("CREATE TABLE rows (bytes BLOB)")
            yield Disk(connection)
