"""Rows of the tables for sessions and the values they stand for."""

from __future__ import annotations

__all__ = [
    "CALL",
    "SESSION",
    "UNFINISHED",
    "call_of",
    "extend_log",
    "find_session",
    "hold_session",
    "insert_events",
    "insert_session",
    "put_call",
    "put_session",
    "session_of",
]

from collections.abc import Iterable
from typing import Any

import orjson

from agentfield.sessions.model import (
    CallState,
    EndReason,
    Event,
    HandlerState,
    ProviderCall,
    Session,
    State,
)
from agentfield.sessions.sharing import Unowned
from agentfield.sessions.snapshot import (
    declaration_from_json,
    declaration_json,
    event_data_json,
    tools_from_json,
    tools_json,
)
from agentfield.store.database import Connection

UNFINISHED = "state <> 'ended'"
"""The condition of the partial indexes, word for word: another wording would not use them."""
SESSION = (
    "seq, session_id, node_id, snapshot, state, end_reason, end_detail, instructions, tools,"
    " metadata, usage, run_id, root_execution_id, handler, attempt, generation, owner_epoch,"
    " last_sequence, created_by, actor_id, traceparent, created_at, connect_by, live_at, ended_at,"
    " deleted_at, owner"
)
CALL = (
    "provider_call_id, session_id, generation, provider, transport, external_id, state,"
    " offer_sha256, answer_sdp, created_at, ended_at"
)


def session_of(row: tuple[Any, ...]) -> Session:
    """Return the session of a row selected as SESSION."""
    return Session(
        seq=row[0],
        session_id=row[1],
        node_id=row[2],
        declaration=declaration_from_json(row[3]),
        state=State(row[4]),
        end_reason=EndReason(row[5]) if row[5] else None,
        end_detail=row[6],
        instructions=row[7],
        tools=tools_from_json(row[8]),
        metadata=row[9],
        usage=orjson.loads(row[10]),
        run_id=row[11],
        root_execution_id=row[12],
        handler=HandlerState(row[13]),
        attempt=row[14],
        generation=row[15],
        owner_epoch=row[16],
        last_sequence=row[17],
        created_by=row[18],
        actor_id=row[19],
        traceparent=row[20],
        created_at=row[21],
        connect_by=row[22],
        live_at=row[23],
        ended_at=row[24],
        deleted_at=row[25],
        owner=row[26] or "",
    )


def find_session(connection: Connection, session_id: str) -> Session | None:
    """Return one session; None if there is none."""
    row = connection.execute(
        f"SELECT {SESSION} FROM sessions WHERE session_id = ?", (session_id,)
    ).fetchone()
    return session_of(row) if row else None


def hold_session(connection: Connection, session_id: str) -> Session | None:
    """Return one session that nobody else changes before the commit."""
    row = connection.execute(
        f"SELECT {SESSION} FROM sessions WHERE session_id = ?{connection.for_update}",
        (session_id,),
    ).fetchone()
    return session_of(row) if row else None


def insert_session(connection: Connection, session: Session, request_id: str) -> None:
    """Store a new session, without what ``put_session`` stores."""
    s = session
    connection.execute(
        "INSERT INTO sessions (session_id, root_session_id, node_id, name, snapshot, metadata,"
        " run_id, root_execution_id, owner, owner_epoch, created_by, request_id, actor_id,"
        " traceparent, created_at, connect_by, state, instructions, tools, usage, handler)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', '{}', '{}', '')",
        (
            s.session_id,
            s.session_id,
            s.node_id,
            s.declaration.name,
            declaration_json(s.declaration),
            s.metadata,
            s.run_id,
            s.root_execution_id,
            s.owner or None,
            s.owner_epoch,
            s.created_by,
            request_id or None,
            s.actor_id,
            s.traceparent,
            s.created_at,
            s.connect_by,
            s.state,
        ),
    )


_PUT_SESSION = (
    "UPDATE sessions SET state = ?, end_reason = ?, end_detail = ?, handler = ?, attempt = ?,"
    " generation = ?, instructions = ?, tools = ?, usage = ?, live_at = ?, ended_at = ?"
    " WHERE session_id = ?"
)


def put_session(connection: Connection, session: Session) -> None:
    """Store what can change of a session. Its log's last sequence is the log's business."""
    s = session
    connection.execute(
        _PUT_SESSION,
        (
            s.state,
            s.end_reason,
            s.end_detail,
            s.handler,
            s.attempt,
            s.generation,
            s.instructions,
            tools_json(s.tools),
            orjson.dumps(dict(s.usage)),
            s.live_at,
            s.ended_at,
            s.session_id,
        ),
    )


# What comes after the deletion may hold words: they are removed with the next that expires.
_EXTEND = (
    "UPDATE sessions SET last_sequence = last_sequence + ?,"
    " words_left = CASE WHEN deleted_at IS NULL THEN words_left ELSE 1 END"
    " WHERE session_id = ? AND owner_epoch = ? RETURNING last_sequence"
)


def extend_log(connection: Connection, session_id: str, epoch: int, count: int) -> int:
    """Hold a session, and return the sequence of the last of so many further events.

    Raises Unowned if another owner has it.
    """
    row = connection.execute(_EXTEND, (count, session_id, epoch)).fetchone()
    if row is None:
        raise Unowned(session_id)
    last: int = row[0]
    return last


def insert_events(
    connection: Connection, session_id: str, events: Iterable[Event], *, epoch: int
) -> None:
    """Store events that have sequence and time."""
    rows = [(session_id, e.sequence, epoch, e.type, e.at, event_data_json(e.data)) for e in events]
    if rows:
        connection.executemany("INSERT INTO session_events VALUES (?, ?, ?, ?, ?, ?)", rows)


def call_of(row: tuple[Any, ...]) -> ProviderCall:
    """Return the provider call of a row selected as CALL."""
    return ProviderCall(
        provider_call_id=row[0],
        session_id=row[1],
        generation=row[2],
        provider=row[3],
        transport=row[4],
        external_id=row[5],
        state=CallState(row[6]),
        offer_sha256=row[7],
        answer_sdp=row[8],
        created_at=row[9],
        ended_at=row[10],
    )


def put_call(connection: Connection, call: ProviderCall, *, epoch: int) -> None:
    """Store a provider call, new or changed."""
    c = call
    connection.execute(
        f"INSERT INTO provider_calls ({CALL}, owner_epoch)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (provider_call_id) DO UPDATE SET"
        " external_id = excluded.external_id, state = excluded.state,"
        " offer_sha256 = excluded.offer_sha256, answer_sdp = excluded.answer_sdp,"
        " ended_at = excluded.ended_at, owner_epoch = excluded.owner_epoch",
        (
            c.provider_call_id,
            c.session_id,
            c.generation,
            c.provider,
            c.transport,
            c.external_id,
            c.state,
            c.offer_sha256,
            c.answer_sdp,
            c.created_at,
            c.ended_at,
            epoch,
        ),
    )
