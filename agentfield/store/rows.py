"""Rows of the executions table and the values they stand for."""

from __future__ import annotations

__all__ = [
    "ACTIVE",
    "ALL",
    "FACTS",
    "INPUT",
    "execution_of",
    "find",
    "hold",
    "hold_all",
    "insert",
    "stored",
    "update",
    "update_all",
]

from collections.abc import Iterable, Sequence
from typing import Any

from agentfield.executions.model import Execution, Failure, Kind, LateReport, Status
from agentfield.store.database import Connection

AT_ONCE = 256
ACTIVE = "status IN ('queued', 'running')"
"""The condition of the partial indexes, word for word: another wording would not use them."""
FACTS = (
    "seq, execution_id, run_id, parent_execution_id, session_id, node_id, function, kind, status,"
    " attempt, depth, idempotent, created_by, run_owner, actor_id, traceparent, worker_id,"
    " instance_id, created_at, expires_at, claimed_at, started_at, completed_at,"
    " error_reason, error, error_details, late_status, late_error, late_at, local, sender,"
    " error_status_code"
)
"""The columns without payloads."""
INPUT = FACTS + ", NULL, input, NULL, NULL"
"""With the input."""
ALL = FACTS + ", late_result, input, result, usage"
"""With every payload."""


def execution_of(row: tuple[Any, ...]) -> Execution:
    """Return the execution of a row selected as FACTS, INPUT or ALL."""
    late_result, input_, result, usage = row[32:36] if len(row) > 32 else (None,) * 4
    return Execution(
        seq=row[0],
        execution_id=row[1],
        run_id=row[2],
        parent_execution_id=row[3],
        session_id=row[4],
        node_id=row[5],
        function=row[6],
        kind=Kind(row[7]),
        status=Status(row[8]),
        attempt=row[9],
        depth=row[10],
        idempotent=bool(row[11]),
        created_by=row[12],
        run_owner=row[13],
        actor_id=row[14],
        traceparent=row[15],
        worker_id=row[16],
        instance_id=row[17],
        created_at=row[18],
        expires_at=row[19],
        claimed_at=row[20],
        started_at=row[21],
        completed_at=row[22],
        failure=Failure(reason=row[23], message=row[24], details=row[25], status_code=row[31])
        if row[23]
        else None,
        late=LateReport(
            status=Status(row[26]), error=row[27], received_at=row[28], result=late_result
        )
        if row[26]
        else None,
        local=bool(row[29]),
        sender=row[30],
        input=input_,
        result=result,
        usage=usage,
    )


def find(connection: Connection, execution_id: str, columns: str = FACTS) -> Execution | None:
    """Return one execution with these columns; None if there is none."""
    row = connection.execute(
        f"SELECT {columns} FROM executions WHERE execution_id = ?", (execution_id,)
    ).fetchone()
    return execution_of(row) if row else None


def hold(connection: Connection, execution_id: str) -> Execution | None:
    """Return one execution without payloads that nobody else changes before the commit."""
    row = connection.execute(
        f"SELECT {FACTS} FROM executions WHERE execution_id = ?{connection.for_update}",
        (execution_id,),
    ).fetchone()
    return execution_of(row) if row else None


def hold_all(connection: Connection, execution_ids: Sequence[str]) -> dict[str, Execution]:
    """Return those of some executions that exist, as ``hold`` does."""
    found: dict[str, Execution] = {}
    for first in range(0, len(execution_ids), AT_ONCE):
        ids = list(execution_ids[first : first + AT_ONCE])
        # As many marks as a power of two: so there are few statements to prepare.
        marks = 1 << (len(ids) - 1).bit_length()
        rows = connection.execute(
            f"SELECT {FACTS} FROM executions WHERE execution_id IN ({', '.join('?' * marks)})"
            f" ORDER BY seq{connection.for_update}",
            [*ids, *(ids[-1:] * (marks - len(ids)))],
        )
        found |= {row[1]: execution_of(row) for row in rows}
    return found


_INSERT = (
    "INSERT INTO executions (execution_id, run_id, parent_execution_id, session_id, node_id,"
    " function, kind, status, attempt, depth, idempotent, created_by, run_owner, actor_id,"
    " traceparent, worker_id, instance_id, created_at, expires_at, started_at, local, input)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def insert(connection: Connection, execution: Execution) -> None:
    """Store a new execution."""
    e = execution
    connection.execute(
        _INSERT,
        (
            e.execution_id,
            e.run_id,
            e.parent_execution_id,
            e.session_id,
            e.node_id,
            e.function,
            e.kind,
            e.status,
            e.attempt,
            e.depth,
            e.idempotent,
            e.created_by,
            e.run_owner,
            e.actor_id,
            e.traceparent,
            e.worker_id,
            e.instance_id,
            e.created_at,
            e.expires_at,
            e.started_at,
            int(e.local),
            e.input,
        ),
    )


_UPDATE = (
    "UPDATE executions SET status = ?, attempt = ?, worker_id = ?, instance_id = ?,"
    " claimed_at = ?, started_at = ?, completed_at = ?, error_reason = ?, error = ?,"
    " error_details = ?, error_status_code = ?, late_status = ?, late_error = ?, late_at = ?,"
    " sender = ?, result = coalesce(?, result), late_result = coalesce(?, late_result),"
    " usage = coalesce(?, usage) WHERE execution_id = ?"
)


def update(connection: Connection, execution: Execution) -> None:
    """Store what can change of an execution; a payload only where the value has one."""
    connection.execute(_UPDATE, _changes(execution))
    if execution.session_id and not execution.is_active:
        _leave_no_words(connection, execution.session_id)


def update_all(connection: Connection, executions: Sequence[Execution]) -> None:
    """Store what can change of executions, as ``update`` does, at once."""
    connection.executemany(_UPDATE, [_changes(execution) for execution in executions])
    for session_id in {e.session_id for e in executions if e.session_id and not e.is_active}:
        _leave_no_words(connection, session_id)


def _changes(execution: Execution) -> tuple[Any, ...]:
    e, failure, late = execution, execution.failure, execution.late
    return (
        e.status,
        e.attempt,
        e.worker_id,
        e.instance_id,
        e.claimed_at,
        e.started_at,
        e.completed_at,
        failure.reason if failure else None,
        failure.message if failure else None,
        failure.details if failure else None,
        failure.status_code if failure else 0,
        late.status if late else None,
        late.error if late else None,
        late.received_at if late else None,
        e.sender,
        e.result,
        late.result if late else None,
        e.usage,
        e.execution_id,
    )


def _leave_no_words(connection: Connection, session_id: str) -> None:
    """Mark a deleted session: what has just been written may hold words, whenever it comes.

    The session is held, so that its deletion comes before this or after it, not meanwhile.
    """
    deleted = "SELECT deleted_at FROM sessions WHERE session_id = ?" + connection.for_update
    row = connection.execute(deleted, (session_id,)).fetchone()
    if row and row[0] is not None:
        connection.execute("UPDATE sessions SET words_left = 1 WHERE session_id = ?", (session_id,))


def stored(
    connection: Connection, before: Iterable[Execution], after: Iterable[Execution]
) -> list[Execution]:
    """Store those that are different now, and return them."""
    changed = [new for old, new in zip(before, after, strict=True) if new is not old]
    update_all(connection, changed)
    return changed
