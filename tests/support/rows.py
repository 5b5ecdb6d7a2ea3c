"""The simplest rows there are, to write and to read."""

from __future__ import annotations

__all__ = ["columns", "names", "put"]

from collections.abc import Callable

from agentfield.store.database import Connection, Database
from agentfield.store.sqlite import SqliteConnection


def put(name: str) -> Callable[[Connection], str]:
    def run(connection: Connection) -> str:
        connection.execute(
            "INSERT INTO nodes VALUES (?, '', '', '', 0, 0)",
            (name,),
        )
        return name

    return run


async def names(database: Database) -> list[str]:
    rows = await database.read(
        lambda c: c.execute("SELECT node_id FROM nodes ORDER BY node_id").fetchall()
    )
    return [row[0] for row in rows]


def columns(connection: Connection, table: str) -> list[str]:
    """Return the names of a table's columns, in their order."""
    if isinstance(connection, SqliteConnection):
        return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    sql = (
        "SELECT CAST(column_name AS TEXT) FROM information_schema.columns WHERE table_name = ?"
        " ORDER BY ordinal_position"
    )
    return [row[0] for row in connection.execute(sql, (table,))]
