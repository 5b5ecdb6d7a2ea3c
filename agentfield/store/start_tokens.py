"""Start tokens, and how a start uses one up."""

from __future__ import annotations

__all__ = ["SqlStartTokens", "expire_start_tokens", "some_expired", "spend"]

from typing import Any

from agentfield.sessions.start_tokens import KEPT, StartToken, expired, used_up
from agentfield.store.database import Connection, Database

_COLUMNS = (
    "token_id, sha256, node_id, name, created_by, actor_id, uses_left, created_at, expires_at"
)
_VOID = "SELECT token_id FROM start_tokens WHERE expires_at <= ? LIMIT ?"


class SqlStartTokens:
    """The start tokens of one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def now(self) -> int:
        return self._db.now()

    async def add(self, token: StartToken) -> None:
        sql = f"INSERT INTO start_tokens ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        values = [getattr(token, name) for name in _COLUMNS.split(", ")]
        await self._db.write(lambda c: c.execute(sql, values))

    async def find(self, sha256: bytes) -> StartToken | None:
        sql = f"SELECT {_COLUMNS} FROM start_tokens WHERE sha256 = ?"
        row = await self._db.read(lambda c: c.execute(sql, (sha256,)).fetchone())
        return None if row is None else _token(row)


def spend(connection: Connection, token_id: str, now: int) -> None:
    """Take one use of a token, as part of a start: if that is undone, so is this.

    Raises StartTokenExpired and StartTokenUsedUp.
    """
    done = connection.execute(
        "UPDATE start_tokens SET uses_left = uses_left - 1"
        " WHERE token_id = ? AND uses_left > 0 AND expires_at > ?",
        (token_id, now),
    )
    if done.rowcount:
        return
    sql = "SELECT node_id, name, expires_at FROM start_tokens WHERE token_id = ?"
    node_id, name, expires_at = connection.execute(sql, (token_id,)).fetchone()
    target = f"{node_id}.{name}"
    raise expired(target) if expires_at <= now else used_up(target)


def some_expired(connection: Connection, now: int) -> bool:
    """Return whether ``expire_start_tokens`` has anything to do."""
    return bool(connection.execute(_VOID, (now - KEPT, 1)).fetchone())


def expire_start_tokens(connection: Connection, *, limit: int, now: int) -> int:
    """Remove tokens that have been void for long; return how many."""
    return connection.execute(
        f"DELETE FROM start_tokens WHERE token_id IN ({_VOID}{connection.skip_locked})",
        (now - KEPT, limit),
    ).rowcount


def _token(row: tuple[Any, ...]) -> StartToken:
    return StartToken(**dict(zip(_COLUMNS.split(", "), row, strict=True)))
