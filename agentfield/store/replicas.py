"""Leases of replicas in SQL, the sessions they cover, and who follows them."""

from __future__ import annotations

__all__ = ["LIVE", "TO_TAKE", "SqlReplicas", "able", "has_gone", "see_off_gone"]

import json
from collections import Counter
from collections.abc import Collection

from agentfield.sessions.model import Session
from agentfield.sessions.sharing import Following, FollowRole
from agentfield.store.database import Connection, Database
from agentfield.store.rows import ACTIVE
from agentfield.store.session_rows import UNFINISHED, find_session

SECOND = 1_000_000
FOREVER = 2**62
KEPT_SECONDS = 3600.0
"""How long a lease that has ended is kept, for those who look into the database."""

LIVE = "SELECT replica_id FROM replicas WHERE lease_until > ?"
"""Those that are there; takes the time."""
_GONE = f"NOT IN ({LIVE})"
"""What a column with a replica's id is followed by, to mean one that is gone; takes the time."""
_LEFT = f"connected = 1 AND replica_id {_GONE}"
_FREE = f"(owner IS NULL OR owner {_GONE} OR (sessions.owner_epoch = 0 AND owner = ?))"
# Asked of one session after the other: as a join PostgreSQL reads the table of all there ever were.
_OF_FREE = f"(SELECT CASE WHEN {_FREE} THEN 1 ELSE 0 END FROM sessions WHERE sessions.session_id ="
TO_TAKE = (
    "SELECT session_id, owner_epoch FROM sessions WHERE session_id IN ("
    f"SELECT session_id FROM sessions WHERE {UNFINISHED} AND {_FREE}"
    f" UNION SELECT session_id FROM executions WHERE kind = 'session' AND {ACTIVE}"
    f" AND {_OF_FREE} executions.session_id) = 1"
    " UNION SELECT session_id FROM provider_calls WHERE state IN ('creating', 'open', 'ending')"
    f" AND {_OF_FREE} provider_calls.session_id) = 1"
    ") ORDER BY seq LIMIT ?"
)
_CANCELLED = (
    "SELECT sessions.session_id FROM sessions"
    " JOIN executions ON executions.execution_id = sessions.root_execution_id"
    f" WHERE sessions.{UNFINISHED} AND owner = ? AND status NOT IN ('queued', 'running')"
)
_WORKERS = (
    "SELECT workers.replica_id, session_names, max_sessions FROM workers"
    " JOIN replicas USING (replica_id)"
    " WHERE node_id = ? AND connected = 1 AND draining = 0 AND lease_until > ?"
)
_HANDLERS = (
    f"SELECT owner, count(*) FROM sessions WHERE {UNFINISHED} AND node_id = ?"
    " AND handler = 'running' GROUP BY owner"
)
_FOLLOWED = (
    "SELECT DISTINCT session_id, role, session_streams.attempt FROM session_streams"
    " JOIN sessions USING (session_id) JOIN replicas USING (replica_id)"
    " WHERE owner = ? AND replica_id <> owner AND lease_until > ?"
)


class SqlReplicas:
    """The replicas on one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def join(self, replica_id: str, *, lease: float, alone: bool) -> None:
        def run(connection: Connection) -> None:
            now = self._db.now()
            until = FOREVER if alone else now + round(lease * SECOND)
            if alone:
                connection.execute("DELETE FROM replicas")
            connection.execute(
                "INSERT INTO replicas (replica_id, joined_at, lease_until) VALUES (?, ?, ?)",
                (replica_id, now, until),
            )

        await self._db.write(run)

    async def renew(self, replica_id: str, *, lease: float) -> bool:
        def run(connection: Connection) -> bool:
            now = self._db.now()
            renewed = connection.execute(
                "UPDATE replicas SET lease_until = ? WHERE replica_id = ? AND lease_until > ?",
                (now + round(lease * SECOND), replica_id, now),
            )
            return renewed.rowcount > 0

        return await self._db.write(run)

    async def leave(self, replica_id: str) -> None:
        def run(connection: Connection) -> None:
            connection.execute("DELETE FROM replicas WHERE replica_id = ?", (replica_id,))
            connection.execute("DELETE FROM session_streams WHERE replica_id = ?", (replica_id,))

        await self._db.write(run)

    async def take(self, replica_id: str, *, limit: int) -> list[Session]:
        def find(connection: Connection, held: str = "") -> list[tuple[str, int]]:
            free = (self._db.now(), replica_id)
            return connection.execute(TO_TAKE + held, (*free, *free, *free, limit)).fetchall()

        def run(connection: Connection) -> list[Session]:
            # What it took without a lease would be free again, to be taken without end.
            if not holds_lease(connection, replica_id, self._db.now()):
                return []
            taken = [
                session_id
                for session_id, epoch in find(connection, connection.skip_locked)
                # Of two that take it the second finds another epoch.
                if connection.execute(
                    "UPDATE sessions SET owner = ?, owner_epoch = ?"
                    " WHERE session_id = ? AND owner_epoch = ?",
                    (replica_id, epoch + 1, session_id, epoch),
                ).rowcount
            ]
            found = (find_session(connection, session_id) for session_id in taken)
            return [session for session in found if session]

        return await self._db.write(run) if await self._db.read(find) else []

    async def cancelled(self, replica_id: str) -> list[str]:
        rows = await self._db.read(lambda c: c.execute(_CANCELLED, (replica_id,)).fetchall())
        return [row[0] for row in rows]

    async def able(self, node_id: str, name: str) -> list[str]:
        return await self._db.read(lambda c: able(c, node_id, name, self._db.now()))

    async def follow(
        self, replica_id: str, *, begun: Collection[Following], over: Collection[Following]
    ) -> None:
        def run(connection: Connection) -> None:
            connection.executemany(
                "INSERT INTO session_streams (replica_id, session_id, role, attempt)"
                " VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [(replica_id, one.session_id, one.role, one.attempt) for one in begun],
            )
            connection.executemany(
                "DELETE FROM session_streams"
                " WHERE replica_id = ? AND session_id = ? AND role = ? AND attempt = ?",
                [(replica_id, one.session_id, one.role, one.attempt) for one in over],
            )

        await self._db.write(run)

    async def followed(self, replica_id: str) -> frozenset[Following]:
        rows = await self._db.read(
            lambda c: c.execute(_FOLLOWED, (replica_id, self._db.now())).fetchall()
        )
        return frozenset(
            Following(session_id=session_id, role=FollowRole(role), attempt=attempt)
            for session_id, role, attempt in rows
        )

    async def forget(self) -> None:
        def run(connection: Connection) -> None:
            now = self._db.now()
            connection.execute(f"DELETE FROM session_streams WHERE replica_id {_GONE}", (now,))
            connection.execute(
                "DELETE FROM replicas WHERE lease_until <= ?", (now - round(KEPT_SECONDS * SECOND),)
            )

        await self._db.write(run)


def holds_lease(connection: Connection, replica_id: str, now: int) -> bool:
    """Return whether a replica has a lease."""
    sql = "SELECT 1 FROM replicas WHERE replica_id = ? AND lease_until > ?"
    return connection.execute(sql, (replica_id, now)).fetchone() is not None


def able(connection: Connection, node_id: str, name: str, now: int) -> list[str]:
    """Return the replicas with a worker that declares a session and seems to have room for it.

    How many handlers a worker runs is known where it is connected. What is counted here are those
    of the sessions that its replica owns, and nearly all of them run there.
    """
    room: Counter[str] = Counter()
    for replica_id, names, most in connection.execute(_WORKERS, (node_id, now)).fetchall():
        if name in json.loads(names):
            room[replica_id] += most
    for owner, running in connection.execute(_HANDLERS, (node_id,)).fetchall():
        room[owner] -= running
    return [replica_id for replica_id, count in room.most_common() if count > 0]


def has_gone(connection: Connection, now: int) -> bool:
    """Return whether workers are connected to replicas that are gone."""
    sql = f"SELECT 1 FROM workers WHERE {_LEFT} LIMIT 1"
    return connection.execute(sql, (now,)).fetchone() is not None


def see_off_gone(connection: Connection, now: int) -> None:
    """Note that those workers are disconnected."""
    connection.execute(
        "UPDATE workers SET connected = 0, draining = 0, seen_at = ?, disconnected_at = ?"
        f" WHERE {_LEFT}",
        (now, now, now),
    )
