"""Sessions."""

from __future__ import annotations

__all__ = ["SqlSessions", "newest_sessions"]

from collections.abc import Callable, Mapping, Sequence

from agentfield.executions.ports import Scope
from agentfield.sessions.model import CallState, Event, ProviderCall, Session, State, ToolCall
from agentfield.sessions.ports import (
    Begun,
    Change,
    DeclaredFunction,
    EndRoot,
    Found,
    Position,
    SessionFilter,
    SessionPage,
    Start,
    StoredToken,
)
from agentfield.sessions.snapshot import event_data_from_json
from agentfield.store.database import Connection, Database
from agentfield.store.session_changes import apply_changes
from agentfield.store.session_rows import (
    CALL,
    SESSION,
    call_of,
    find_session,
    session_of,
)
from agentfield.store.session_start import start_session
from agentfield.store.session_tools import find_tool_calls, functions
from agentfield.store.session_words import delete_session, expire_sessions, something_expired

_SETTLED = (CallState.ENDED, CallState.ABANDONED)


class SqlSessions:
    """The session store of one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def now(self) -> int:
        return self._db.now()

    async def start(self, start: Start, begin: Callable[[Found], Begun]) -> tuple[Session, bool]:
        return await self._db.write(lambda c: start_session(c, start, begin, self._db.now()))

    async def commit(self, session_id: str, epoch: int, changes: Sequence[Change]) -> list[Event]:
        def run(connection: Connection) -> list[Event]:
            return apply_changes(connection, session_id, epoch, changes, self._db.now())

        roots = [change.execution_id for change in changes if isinstance(change, EndRoot)]
        return await self._db.write(run, keys=[session_id, *roots])

    async def get(self, session_id: str) -> Session | None:
        return await self._db.read(lambda c: find_session(c, session_id))

    async def page(
        self, where: SessionFilter, scope: Scope, *, before_seq: int | None, limit: int
    ) -> SessionPage:
        sql, values = newest_sessions(where, scope, before_seq, limit + 1)
        rows = await self._db.read(lambda c: c.execute(sql, values).fetchall())
        sessions = tuple(session_of(row) for row in rows[:limit])
        return SessionPage(
            sessions=sessions, next_seq=sessions[-1].seq if len(rows) > limit else None
        )

    async def position(self, session_id: str) -> Position | None:
        sql = "SELECT last_sequence, state, deleted_at FROM sessions WHERE session_id = ?"
        row = await self._db.read(lambda c: c.execute(sql, (session_id,)).fetchone())
        if row is None:
            return None
        return Position(
            last_sequence=row[0], is_over=row[1] == State.ENDED, deleted=row[2] is not None
        )

    async def events(self, session_id: str, *, after: int, limit: int) -> list[Event]:
        sql = (
            "SELECT sequence, kind, at, payload FROM session_events"
            " WHERE session_id = ? AND sequence > ? ORDER BY sequence LIMIT ?"
        )
        rows = await self._db.read(lambda c: c.execute(sql, (session_id, after, limit)).fetchall())
        return [
            Event(sequence=sequence, type=kind, at=at, data=event_data_from_json(payload))
            for sequence, kind, at, payload in rows
        ]

    async def calls(self, session_id: str) -> list[ProviderCall]:
        return await self._calls("session_id = ? ORDER BY generation", session_id)

    async def calls_in(self, state: CallState, *, owner: str) -> list[ProviderCall]:
        of_owner = (
            "state = ? AND EXISTS (SELECT 1 FROM sessions"
            " WHERE sessions.session_id = provider_calls.session_id AND owner = ?)"
            " ORDER BY created_at, provider_call_id"
        )
        return await self._calls(of_owner, state, owner)

    async def _calls(self, condition: str, *values: str) -> list[ProviderCall]:
        sql = f"SELECT {CALL} FROM provider_calls WHERE {condition}"
        rows = await self._db.read(lambda c: c.execute(sql, values).fetchall())
        return [call_of(row) for row in rows]

    async def tool_calls(self, provider_call_id: str) -> list[ToolCall]:
        return await self._db.read(lambda c: find_tool_calls(c, provider_call_id))

    async def settle_call(self, provider_call_id: str, state: CallState) -> None:
        def run(connection: Connection) -> None:
            connection.execute(
                "UPDATE provider_calls SET state = ?, ended_at = coalesce(ended_at, ?)"
                " WHERE provider_call_id = ?",
                (state, self._db.now() if state in _SETTLED else None, provider_call_id),
            )

        await self._db.write(run)

    async def functions(self, targets: Sequence[str]) -> Mapping[str, DeclaredFunction]:
        return await self._db.read(lambda c: functions(c, targets))

    async def token(self, sha256: bytes) -> StoredToken | None:
        sql = (
            "SELECT session_id, created_by, expires_at, ended_at"
            " FROM client_tokens JOIN sessions USING (session_id) WHERE sha256 = ?"
        )
        row = await self._db.read(lambda c: c.execute(sql, (sha256,)).fetchone())
        if row is None:
            return None
        return StoredToken(session_id=row[0], created_by=row[1], expires_at=row[2], ended_at=row[3])

    async def delete(self, session_id: str) -> Session | None:
        return await self._db.write(lambda c: delete_session(c, session_id, self._db.now()))

    async def expire(self, *, ended_before: int, limit: int) -> int:
        def anything(connection: Connection) -> bool:
            return something_expired(connection, ended_before=ended_before, now=self._db.now())

        def run(connection: Connection) -> int:
            return expire_sessions(
                connection, ended_before=ended_before, limit=limit, now=self._db.now()
            )

        return await self._db.write(run) if await self._db.read(anything) else 0


def newest_sessions(
    where: SessionFilter, scope: Scope, before_seq: int | None, limit: int
) -> tuple[str, list[str | int]]:
    """Return the query for the newest sessions that meet a filter and may be seen.

    Each way of being allowed to see one has an index of its own, so each finds its newest first.
    """
    conditions: list[str] = []
    values: list[str | int] = []
    for column in ("node_id", "name", "state"):
        if value := getattr(where, column):
            conditions.append(f"{column} = ?")
            values.append(value)
    if before_seq is not None:
        conditions.append("seq < ?")
        values.append(before_seq)
    ways: list[tuple[str, list[str]]] = [("1 = 1", [])]
    if not scope.everything:
        ways = [("created_by = ?", [scope.owner])]
        if scope.nodes:
            marks = ", ".join("?" * len(scope.nodes))
            ways.append((f"node_id IN ({marks})", list(scope.nodes)))
    branches: list[str] = []
    all_values: list[str | int] = []
    for way, way_values in ways:
        condition = " AND ".join([way, *conditions])
        branches.append(
            f"SELECT * FROM (SELECT seq FROM sessions WHERE {condition}"
            " ORDER BY seq DESC LIMIT ?) AS way"
        )
        all_values += [*way_values, *values, limit]
    sql = (
        f"SELECT {SESSION} FROM sessions WHERE seq IN ({' UNION '.join(branches)})"
        " ORDER BY seq DESC LIMIT ?"
    )
    return sql, [*all_values, limit]
