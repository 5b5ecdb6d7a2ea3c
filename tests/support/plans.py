"""How the databases find what a query asks for."""

from __future__ import annotations

__all__ = ["is_scan", "plan"]

from collections.abc import Sequence

from agentfield.store.database import Connection, Database
from agentfield.store.sqlite import SqliteDatabase


async def plan(database: Database, sql: str, values: Sequence[str | int]) -> str:
    """Return the plan of a query, in the words of the database."""
    if isinstance(database, SqliteDatabase):
        rows = await database.read(
            lambda c: c.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
        )
        return "; ".join(row[3] for row in rows)

    def run(connection: Connection) -> list[tuple[str]]:
        # Tables of tests are so small that reading them whole is best.
        connection.execute("SET enable_seqscan = off")
        return connection.execute(f"EXPLAIN {sql}", values).fetchall()

    return "; ".join(row[0] for row in await database.read(run))


def is_scan(plan: str, table: str) -> bool:
    """Return whether a plan reads a whole table."""
    return any(words in plan for words in (f"SCAN {table}", f"Seq Scan on {table}"))
