"""What agents tell of executions, in the database."""

from __future__ import annotations

__all__ = ["SqlJournal"]

import json
from collections.abc import Sequence
from typing import Any

from agentfield.executions.journal import Apply, Begin, LogEntry, Note, Record
from agentfield.executions.model import Execution, Kind
from agentfield.store.database import Connection, Database
from agentfield.store.replicas import LIVE
from agentfield.store.rows import find, hold, insert, update

_OWNER = "SELECT created_by FROM nodes WHERE node_id = ?"


class SqlJournal:
    """The journal of one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def record(
        self, record: Record, begin: Begin, apply: Apply
    ) -> tuple[Execution | None, Execution]:
        def run(connection: Connection) -> tuple[Execution | None, Execution]:
            now = self._db.now()
            before = hold(connection, record.execution_id)
            if before is None:
                parent = find(connection, record.parent_execution_id)
                owner = _owner(connection, record.node_id) or ""
                after = begin(parent, _kind(connection, record), owner, now)
                insert(connection, after)
                update(connection, after)
                return None, after
            owner = _owner(connection, before.node_id) or ""
            awaited = _is_live(connection, before.sender, now)
            after = apply(before, owner, now, awaited=awaited)
            if after is not before:
                update(connection, after)
            return before, after

        keys = [key for key in (record.execution_id, record.parent_execution_id) if key]
        return await self._db.write(run, keys=keys)

    async def owner_of(self, node_id: str) -> str | None:
        return await self._db.read(lambda c: _owner(c, node_id))

    async def add_note(
        self, execution_id: str, message: str, tags: Sequence[str], *, keep: int
    ) -> Note:
        def run(connection: Connection) -> Note:
            note = Note(
                number=_last(connection, "execution_notes", execution_id) + 1,
                message=message,
                tags=tuple(tags),
                at=self._db.now(),
            )
            connection.execute(
                "INSERT INTO execution_notes (execution_id, number, message, tags, at)"
                " VALUES (?, ?, ?, ?, ?)",
                (execution_id, note.number, message, json.dumps(note.tags), note.at),
            )
            _keep(connection, "execution_notes", execution_id, note.number - keep)
            mark_words(connection, execution_id)
            return note

        return await self._db.write(run, keys=[execution_id])

    async def add_logs(self, execution_id: str, entries: Sequence[bytes], *, keep: int) -> None:
        def run(connection: Connection) -> None:
            now = self._db.now()
            last = _last(connection, "execution_logs", execution_id)
            connection.executemany(
                "INSERT INTO execution_logs (execution_id, number, at, entry) VALUES (?, ?, ?, ?)",
                [(execution_id, last + i, now, entry) for i, entry in enumerate(entries, 1)],
            )
            _keep(connection, "execution_logs", execution_id, last + len(entries) - keep)
            mark_words(connection, execution_id)

        if entries:
            await self._db.write(run, keys=[execution_id])

    async def notes(self, execution_id: str, *, after: int, limit: int) -> list[Note]:
        rows = await self._page(
            "number, message, tags, at", "execution_notes", execution_id, after, limit
        )
        return [
            Note(number=number, message=message, tags=tuple(json.loads(tags)), at=at)
            for number, message, tags, at in rows
        ]

    async def logs(self, execution_id: str, *, after: int, limit: int) -> list[LogEntry]:
        rows = await self._page("number, entry, at", "execution_logs", execution_id, after, limit)
        return [LogEntry(number=number, entry=bytes(entry), at=at) for number, entry, at in rows]

    async def _page(
        self, columns: str, table: str, execution_id: str, after: int, limit: int
    ) -> list[Any]:
        sql = (
            f"SELECT {columns} FROM {table} WHERE execution_id = ? AND number > ?"
            " ORDER BY number LIMIT ?"
        )
        return await self._db.read(
            lambda c: c.execute(sql, (execution_id, after, limit)).fetchall()
        )


def mark_words(connection: Connection, execution_id: str) -> None:
    """Note that words came to an execution: of a deleted session none stay."""
    connection.execute(
        "UPDATE sessions SET words_left = 1 WHERE deleted_at IS NOT NULL AND session_id ="
        " (SELECT session_id FROM executions WHERE execution_id = ?)",
        (execution_id,),
    )


def _owner(connection: Connection, node_id: str) -> str | None:
    row = connection.execute(_OWNER, (node_id,)).fetchone()
    return row[0] if row else None


def _kind(connection: Connection, record: Record) -> Kind:
    row = connection.execute(
        "SELECT kind FROM functions WHERE node_id = ? AND name = ?",
        (record.node_id, record.function),
    ).fetchone()
    return Kind(row[0]) if row else Kind.REASONER


def _is_live(connection: Connection, replica_id: str, now: int) -> bool:
    row = connection.execute(f"{LIVE} AND replica_id = ?", (now, replica_id)).fetchone()
    return row is not None


def _keep(connection: Connection, table: str, execution_id: str, up_to: int) -> None:
    connection.execute(
        f"DELETE FROM {table} WHERE execution_id = ? AND number <= ?", (execution_id, up_to)
    )


def _last(connection: Connection, table: str, execution_id: str) -> int:
    (last,) = connection.execute(
        f"SELECT coalesce(max(number), 0) FROM {table} WHERE execution_id = ?", (execution_id,)
    ).fetchone()
    number: int = last
    return number
