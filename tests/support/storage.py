"""Where a test keeps its data: in a folder with SQLite, or in a database of PostgreSQL."""

from __future__ import annotations

__all__ = ["Storage"]

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agentfield.store.postgres import PostgresDatabase
from agentfield.store.sqlite import SqliteDatabase


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """One test's data, which is there each time it is opened."""

    folder: Path
    url: str = ""
    """Of the PostgreSQL database; empty: SQLite."""

    @property
    def is_sqlite(self) -> bool:
        return not self.url

    def open(self, clock: Callable[[], int] | None = None) -> SqliteDatabase | PostgresDatabase:
        """Return the database, to be entered."""
        if self.url:
            return PostgresDatabase(self.url, clock=clock)
        return SqliteDatabase(self.folder, clock=clock)
