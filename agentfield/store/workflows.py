"""Runs, read as a whole."""

from __future__ import annotations

__all__ = ["SqlWorkflows"]

from agentfield.executions.ports import Page, Scope, Summary
from agentfield.store.database import Connection, Database
from agentfield.store.executions import newest
from agentfield.store.rows import ACTIVE, FACTS, execution_of


class SqlWorkflows:
    """The workflow store of one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def summary(self, run_id: str) -> Summary | None:
        return await self._db.read(lambda c: _summary(c, run_id))

    async def page(self, run_id: str, *, after_seq: int, limit: int) -> Page:
        sql = f"SELECT {FACTS} FROM executions WHERE run_id = ? AND seq > ? ORDER BY seq LIMIT ?"
        rows = await self._db.read(
            lambda c: c.execute(sql, (run_id, after_seq, limit + 1)).fetchall()
        )
        executions = tuple(execution_of(row) for row in rows[:limit])
        return Page(
            executions=executions,
            next_seq=executions[-1].seq if len(rows) > limit else None,
        )

    async def list_runs(
        self, session_id: str, scope: Scope, *, before_seq: int | None, limit: int
    ) -> tuple[list[Summary], int | None]:
        conditions = [
            "parent_execution_id IS NULL",
            # A run that was joined by its id has further roots; it is listed by its first.
            (
                "NOT EXISTS (SELECT 1 FROM executions AS first"
                " WHERE first.run_id = executions.run_id AND first.seq < executions.seq)"
            ),
        ]
        values: list[str | int] = []
        if session_id:
            conditions.append("session_id = ?")
            values.append(session_id)
        if before_seq is not None:
            conditions.append("seq < ?")
            values.append(before_seq)
        sql, all_values = newest("seq, run_id", conditions, values, scope, limit + 1)

        def run(connection: Connection) -> tuple[list[Summary], int | None]:
            rows = connection.execute(sql, all_values).fetchall()
            found = [_summary(connection, run_id) for _, run_id in rows[:limit]]
            return [s for s in found if s], rows[limit - 1][0] if len(rows) > limit else None

        return await self._db.read(run)


def _summary(connection: Connection, run_id: str) -> Summary | None:
    root = connection.execute(
        f"SELECT {FACTS} FROM executions WHERE run_id = ? ORDER BY seq LIMIT 1",
        (run_id,),
    ).fetchone()
    if root is None:
        return None
    total, active, failed, max_depth, completed_at = connection.execute(
        f"SELECT count(*), count(CASE WHEN {ACTIVE} THEN 1 END),"
        " count(CASE WHEN status NOT IN ('queued', 'running', 'succeeded') THEN 1 END),"
        " max(depth), max(completed_at)"
        " FROM executions WHERE run_id = ?",
        (run_id,),
    ).fetchone()
    return Summary(
        root=execution_of(root),
        total=total,
        active=active,
        failed=failed,
        max_depth=max_depth,
        completed_at=None if active else completed_at,
    )
