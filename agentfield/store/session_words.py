"""How the words of sessions leave the store: on request, and after the time they are kept."""

from __future__ import annotations

__all__ = ["delete_session", "expire_sessions", "something_expired"]

from agentfield.sessions.declaration import Declaration
from agentfield.sessions.model import Session
from agentfield.sessions.snapshot import declaration_json, tools_json
from agentfield.store.database import Connection
from agentfield.store.rows import ACTIVE
from agentfield.store.session_rows import find_session, hold_session
from agentfield.store.start_tokens import expire_start_tokens, some_expired
from agentfield.v1 import errors

_RETAINED = "ended_at IS NOT NULL AND deleted_at IS NULL AND ended_at < ?"
_VOID = "SELECT sha256 FROM client_tokens WHERE expires_at <= ? LIMIT ?"
_LEFT = "SELECT session_id FROM sessions WHERE words_left = 1 ORDER BY seq LIMIT ?"
_DUE = f"SELECT session_id FROM sessions WHERE {_RETAINED} ORDER BY ended_at LIMIT ?"

_EXECUTIONS = "SELECT execution_id FROM executions WHERE session_id = ?"

# What still runs keeps its input; its end marks the session again.
_SCRUB_EXECUTIONS = (
    "UPDATE executions SET input = ?, result = NULL, late_result = NULL, usage = NULL,"
    " error = CASE WHEN error_reason IS NULL THEN NULL ELSE '' END, error_details = NULL,"
    " late_error = CASE WHEN late_status IS NULL THEN NULL ELSE '' END"
    f" WHERE session_id = ? AND NOT ({ACTIVE})"
)


def delete_session(connection: Connection, session_id: str, now: int) -> Session | None:
    """Remove the words of an ended session; return the tombstone. Raises SessionActive."""
    session = hold_session(connection, session_id)
    if session is None:
        return None
    if not session.is_over:
        raise errors.SessionActive(
            f"Session '{session_id}' has not ended; end it first, then delete it.",
            metadata={"session_id": session_id},
        )
    _scrub(connection, session, now)
    return find_session(connection, session_id)


def something_expired(connection: Connection, *, ended_before: int, now: int) -> bool:
    """Return whether ``expire_sessions`` has anything to do."""
    return some_expired(connection, now) or any(
        connection.execute(sql, values).fetchone()
        for sql, values in ((_DUE, (ended_before, 1)), (_LEFT, (1,)), (_VOID, (now, 1)))
    )


def expire_sessions(connection: Connection, *, ended_before: int, limit: int, now: int) -> int:
    """Delete what ended before a time, what was written after a deletion, and void tokens.

    At most ``limit`` of each; returns how many of the most there were.
    """
    free = connection.skip_locked
    due = connection.execute(_DUE + free, (ended_before, limit)).fetchall()
    left = connection.execute(_LEFT + free, (limit,)).fetchall()
    for (session_id,) in (*due, *left):
        session = find_session(connection, session_id)
        if session is not None:
            _scrub(connection, session, now)
    void = connection.execute(
        f"DELETE FROM client_tokens WHERE sha256 IN ({_VOID}{free})", (now, limit)
    ).rowcount
    starts = expire_start_tokens(connection, limit=limit, now=now)
    return max(len(due), len(left), void, starts)


def _scrub(connection: Connection, session: Session, now: int) -> None:
    declaration = session.declaration
    bare = Declaration(
        name=declaration.name,
        provider=declaration.provider,
        transport=declaration.transport,
        model=declaration.model,
        voice=declaration.voice,
        modalities=declaration.modalities,
        has_handler=declaration.has_handler,
    )
    connection.execute(
        "UPDATE sessions SET snapshot = ?, tools = ?, instructions = '', metadata = ?,"
        " end_detail = '', words_left = 0, deleted_at = coalesce(deleted_at, ?)"
        " WHERE session_id = ?",
        (declaration_json(bare), tools_json(()), b"{}", now, session.session_id),
    )
    for sql in (
        "DELETE FROM session_events WHERE session_id = ?",
        "DELETE FROM session_commands WHERE session_id = ?",
        "DELETE FROM client_tokens WHERE session_id = ?",
        "UPDATE provider_calls SET answer_sdp = NULL WHERE session_id = ?",
        "UPDATE tool_calls SET arguments = '', output = NULL WHERE session_id = ?",
        f"DELETE FROM execution_notes WHERE execution_id IN ({_EXECUTIONS})",
        f"DELETE FROM execution_logs WHERE execution_id IN ({_EXECUTIONS})",
    ):
        connection.execute(sql, (session.session_id,))
    connection.execute(_SCRUB_EXECUTIONS, (b"{}", session.session_id))
