"""Executions."""

from __future__ import annotations

__all__ = ["SqlExecutions"]

from collections.abc import Callable, Sequence

from agentfield.config import Limits
from agentfield.executions.model import Execution, Kind, cancelled, expired
from agentfield.executions.ports import Added, Filter, Head, Page, Scope
from agentfield.executions.submission import Declared, Submission, begin, fingerprint
from agentfield.store.database import Connection, Database
from agentfield.store.http_workers import UNREACHABLE, check_reachable
from agentfield.store.requests import earlier_answer, remember_answer
from agentfield.store.rows import (
    ACTIVE,
    ALL,
    FACTS,
    execution_of,
    find,
    hold,
    insert,
    update,
    update_all,
)
from agentfield.v1 import errors

_HEAD = (
    "SELECT length(input) + coalesce(length(result), 0) + coalesce(length(late_result), 0),"
    f" {FACTS} FROM executions WHERE execution_id = ?"
)


_TREE = (
    "WITH RECURSIVE tree (id) AS (SELECT execution_id FROM executions WHERE execution_id = ?"
    " UNION ALL SELECT execution_id FROM executions, tree WHERE parent_execution_id = tree.id)"
    f" SELECT {FACTS} FROM executions WHERE execution_id IN (SELECT id FROM tree) AND {ACTIVE}"
)


_OWNED = (
    "SELECT (SELECT created_by FROM nodes WHERE nodes.node_id = executions.node_id),"
    f" {FACTS} FROM executions WHERE execution_id = ?"
)


class SqlExecutions:
    """The execution store of one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def add(self, submission: Submission, limits: Limits) -> Added:
        def run(connection: Connection) -> Added:
            return _add(connection, submission, limits, self._db.now())

        keys = [submission.execution_id, *_shared_keys(submission)]
        return await self._db.write(run, keys=keys)

    async def get(self, execution_id: str) -> Execution | None:
        return await self._db.read(lambda c: find(c, execution_id, ALL))

    async def heads(self, execution_ids: Sequence[str]) -> list[Head]:
        def run(connection: Connection) -> list[Head]:
            rows = (connection.execute(_HEAD, (i,)).fetchone() for i in execution_ids)
            return [
                Head(payload_bytes=row[0], execution=execution_of(row[1:])) for row in rows if row
            ]

        return await self._db.read(run)

    async def get_many(self, execution_ids: Sequence[str]) -> list[Execution]:
        def run(connection: Connection) -> list[Execution]:
            found = (find(connection, execution_id, ALL) for execution_id in execution_ids)
            return [execution for execution in found if execution]

        return await self._db.read(run)

    async def page(
        self, where: Filter, scope: Scope, *, before_seq: int | None, limit: int
    ) -> Page:
        sql, values = _list_query(where, scope, before_seq, limit + 1)
        rows = await self._db.read(lambda c: c.execute(sql, values).fetchall())
        executions = tuple(execution_of(row) for row in rows[:limit])
        return Page(
            executions=executions,
            next_seq=executions[-1].seq if len(rows) > limit else None,
        )

    async def change(
        self, execution_id: str, apply: Callable[[Execution, str, int], Execution]
    ) -> tuple[Execution, Execution] | None:
        def run(connection: Connection) -> tuple[Execution, Execution] | None:
            row = connection.execute(_OWNED + connection.for_update, (execution_id,)).fetchone()
            if row is None:
                return None
            before = execution_of(row[1:])
            after = apply(before, row[0] or "", self._db.now())
            if after is not before:
                update(connection, after)
            return before, after

        return await self._db.write(run, keys=[execution_id])

    async def cancel_tree(self, execution_id: str, reason: str) -> list[Execution]:
        def run(connection: Connection) -> list[Execution]:
            return _end_tree(connection, execution_id, reason, self._db.now())

        return await self._db.write(run)

    async def expire(self, limit: int) -> list[Execution]:
        """Time out what is due, and cancel the unfinished descendants; return what changed."""
        # A session ends its own root: its time is the session's business.
        due = (
            f"SELECT {FACTS} FROM executions WHERE {ACTIVE} AND expires_at <= ?"
            " AND kind <> 'session' LIMIT ?"
        )

        def any_due(connection: Connection) -> bool:
            return bool(connection.execute(due, (self._db.now(), 1)).fetchone())

        def run(connection: Connection) -> list[Execution]:
            now = self._db.now()
            # What another server holds it is about to end itself.
            rows = connection.execute(due + connection.skip_locked, (now, limit)).fetchall()
            changed = [expired(execution_of(row), now=now) for row in rows]
            update_all(connection, changed)
            for after in tuple(changed):
                changed += _end_tree(connection, after.execution_id, "its caller timed out", now)
            return changed

        return await self._db.write(run) if await self._db.read(any_due) else []

    async def queued(self) -> int:
        """Return how many wait for a worker."""
        waiting = "SELECT count(*) FROM executions WHERE status = 'queued' AND worker_id IS NULL"
        count: int = await self._db.read(lambda c: c.execute(waiting).fetchone()[0])
        return count

    async def forget_requests(self) -> None:
        """Forget the answers whose request ids may be used again."""
        await self._db.write(
            lambda c: c.execute("DELETE FROM requests WHERE expires_at <= ?", (self._db.now(),))
        )


def _add(connection: Connection, submission: Submission, limits: Limits, now: int) -> Added:
    print_ = fingerprint(submission) if submission.request_id else b""
    earlier_id = earlier_answer(
        connection, _request_key(submission), print_, now, names="execution_id"
    )
    earlier = find(connection, earlier_id) if earlier_id else None
    if earlier is not None:
        return Added(execution=earlier, created=False)
    declared = _declared(connection, submission.node_id, submission.function)
    claims = submission.claims
    parent = hold(connection, claims.parent_execution_id) if claims.parent_execution_id else None
    execution = begin(
        submission,
        declared,
        parent=parent,
        run_owner=_owner(connection, "executions", "run_owner", "run_id", claims.run_id),
        session_owner=_owner(connection, "sessions", "created_by", "session_id", claims.session_id),
        limits=limits,
        now=now,
    )
    insert(connection, execution)
    remember_answer(connection, _request_key(submission), print_, execution.execution_id, now)
    return Added(
        execution=execution, created=True, parent_node_id=parent.node_id if parent else None
    )


def _shared_keys(submission: Submission) -> list[str]:
    """Return what two submissions may both be the first of."""
    claims, keys = submission.claims, []
    if submission.request_id:
        keys.append("/".join(_request_key(submission)))
    if claims.run_id and not claims.parent_execution_id:
        keys.append(claims.run_id)
    return keys


def _request_key(submission: Submission) -> tuple[str, str, str]:
    return (submission.caller.name, submission.rpc, submission.request_id)


def _declared(connection: Connection, node_id: str, function: str) -> Declared:
    row = connection.execute(
        f"SELECT kind, idempotent, {UNREACHABLE} FROM functions WHERE node_id = ? AND name = ?",
        (node_id, function),
    ).fetchone()
    if row:
        check_reachable(node_id, row[2])
        return Declared(kind=Kind(row[0]), idempotent=bool(row[1]))
    if not connection.execute("SELECT 1 FROM nodes WHERE node_id = ?", (node_id,)).fetchone():
        raise errors.NodeNotFound(
            f"agent '{node_id}' not found: no node of that name has registered.",
            metadata={"node_id": node_id},
        )
    names = [
        name
        for (name,) in connection.execute(
            "SELECT name FROM functions WHERE node_id = ? ORDER BY position LIMIT 20", (node_id,)
        )
    ]
    raise errors.TargetNotFound(
        f"target '{function}' not found on agent '{node_id}'; it offers: "
        f"{', '.join(names) or 'none'}.",
        metadata={"node_id": node_id, "function": function},
    )


def _owner(connection: Connection, table: str, owner: str, key: str, value: str) -> str | None:
    if not value:
        return None
    row = connection.execute(
        f"SELECT {owner} FROM {table} WHERE {key} = ? LIMIT 1",
        (value,),
    ).fetchone()
    return row[0] if row else None


def _end_tree(connection: Connection, execution_id: str, reason: str, now: int) -> list[Execution]:
    changed: list[Execution] = []
    # A child that another server was adding is there once its parent could be held: look again.
    while rows := connection.execute(_TREE + connection.for_update, (execution_id,)).fetchall():
        ended = []
        for row in rows:
            execution = execution_of(row)
            inherited = execution.execution_id != execution_id
            why = f"its ancestor {execution_id} ended" if inherited else reason
            ended.append(cancelled(execution, reason=why, now=now))
        update_all(connection, ended)
        changed += ended
    return changed


def newest(
    columns: str, conditions: Sequence[str], values: Sequence[str | int], scope: Scope, limit: int
) -> tuple[str, list[str | int]]:
    """Return the query for the newest executions that meet conditions and may be seen.

    Each way of being allowed to see one has an index of its own, so each finds its newest first.
    """
    if scope.everything:
        ways: list[tuple[str, list[str]]] = [("1 = 1", [])]
    else:
        ways = [("created_by = ?", [scope.owner]), ("run_owner = ?", [scope.owner])]
        if scope.nodes:
            marks = ", ".join("?" * len(scope.nodes))
            ways.append((f"node_id IN ({marks})", list(scope.nodes)))
    branches: list[str] = []
    all_values: list[str | int] = []
    for way, way_values in ways:
        where = " AND ".join([way, *conditions])
        branches.append(
            f"SELECT * FROM (SELECT seq FROM executions WHERE {where}"
            " ORDER BY seq DESC LIMIT ?) AS way"
        )
        all_values += [*way_values, *values, limit]
    sql = (
        f"SELECT {columns} FROM executions WHERE seq IN ({' UNION '.join(branches)})"
        " ORDER BY seq DESC LIMIT ?"
    )
    return sql, [*all_values, limit]


def _list_query(
    where: Filter, scope: Scope, before_seq: int | None, limit: int
) -> tuple[str, list[str | int]]:
    conditions: list[str] = []
    values: list[str | int] = []
    for column in ("run_id", "session_id", "node_id", "function", "status", "parent_execution_id"):
        value = getattr(where, column)
        if value:
            conditions.append(f"{column} = ?")
            values.append(value)
    if before_seq is not None:
        conditions.append("seq < ?")
        values.append(before_seq)
    return newest(FACTS, conditions, values, scope, limit)
