"""Commands on their way from one replica to another, in SQL."""

from __future__ import annotations

__all__ = ["SqlCommands"]

from collections.abc import Sequence

from agentfield.sessions.model import State
from agentfield.sessions.sharing import CommandRow, Verdict
from agentfield.store.database import Connection, Database

SECOND = 1_000_000
ANSWER_SECONDS = 60.0
"""How long an answer is kept for who asked."""

_WAITING = (
    "SELECT command_id, session_id, kind, payload, session_commands.replica_id"
    " FROM session_commands JOIN sessions USING (session_id) WHERE result IS NULL"
    " AND (replica_id = ? OR (replica_id IS NULL AND owner = ?)) AND expires_at > ?"
    " ORDER BY session_commands.created_at, command_id LIMIT ?"
)
_VERDICT = (
    "SELECT result, state, replica_id IS NULL OR EXISTS (SELECT 1 FROM replicas"
    " WHERE replicas.replica_id = session_commands.replica_id AND lease_until > ?)"
    " FROM session_commands JOIN sessions USING (session_id) WHERE command_id = ?"
)


class SqlCommands:
    """The commands on one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def put(self, row: CommandRow, *, lasts: float) -> None:
        def run(connection: Connection) -> None:
            now = self._db.now()
            connection.execute(
                "INSERT INTO session_commands (command_id, session_id, replica_id, kind, payload,"
                " created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (
                    row.command_id,
                    row.session_id,
                    row.replica_id or None,
                    row.kind,
                    row.payload,
                    now,
                    now + round(lasts * SECOND),
                ),
            )

        await self._db.write(run)

    async def waiting(self, replica_id: str, *, limit: int) -> Sequence[CommandRow]:
        values = (replica_id, replica_id, self._db.now(), limit)
        rows = await self._db.read(lambda c: c.execute(_WAITING, values).fetchall())
        return [
            CommandRow(
                command_id=command_id,
                session_id=session_id,
                kind=kind,
                payload=payload,
                replica_id=asked or "",
            )
            for command_id, session_id, kind, payload, asked in rows
        ]

    async def answer(self, command_id: str, result: bytes) -> None:
        def run(connection: Connection) -> None:
            until = self._db.now() + round(ANSWER_SECONDS * SECOND)
            connection.execute(
                "UPDATE session_commands SET result = ?, expires_at = ?"
                " WHERE command_id = ? AND result IS NULL",
                (result, until, command_id),
            )

        await self._db.write(run)

    async def verdict(self, command_id: str) -> Verdict | None:
        values = (self._db.now(), command_id)
        row = await self._db.read(lambda c: c.execute(_VERDICT, values).fetchone())
        if row is None:
            return None
        return Verdict(result=row[0], is_over=row[1] == State.ENDED, is_reachable=bool(row[2]))

    async def forget(self) -> None:
        def run(connection: Connection) -> None:
            connection.execute(
                "DELETE FROM session_commands WHERE expires_at <= ?", (self._db.now(),)
            )

        await self._db.write(run)
