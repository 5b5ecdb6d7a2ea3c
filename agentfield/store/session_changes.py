"""What a session's owner changes in SQLite."""

from __future__ import annotations

__all__ = ["apply_changes"]

from collections.abc import Sequence
from dataclasses import replace

from agentfield.sessions.model import Event
from agentfield.sessions.ports import Append, Change, EndRoot, PutCall, PutSession, PutToolCall
from agentfield.store.database import Connection
from agentfield.store.rows import find, update
from agentfield.store.session_rows import insert_events, put_call, put_session, put_tool_call
from agentfield.v1 import errors


def apply_changes(
    connection: Connection, session_id: str, epoch: int, changes: Sequence[Change], now: int
) -> list[Event]:
    """Store changes; return the events with sequence and time. Raises Internal."""
    last = _last_sequence(connection, session_id, epoch)
    appends = [change for change in changes if isinstance(change, Append)]
    events = [
        Event(type=one.type, data=one.data, sequence=sequence, at=now)
        for sequence, one in enumerate(appends, last + 1)
    ]
    insert_events(connection, session_id, events, epoch=epoch)
    for change in changes:
        match change:
            case Append():
                pass
            case PutSession(session=session):
                put_session(connection, session)
            case PutCall(call=call):
                put_call(connection, call, epoch=epoch)
            case PutToolCall(call=tool_call):
                put_tool_call(connection, tool_call, now=now)
            case EndRoot():
                _end_root(connection, change, now)
    # What comes after the deletion may hold words: they are removed with the next that expires.
    connection.execute(
        "UPDATE sessions SET words_left = 1 WHERE session_id = ? AND deleted_at IS NOT NULL",
        (session_id,),
    )
    return events


def _last_sequence(connection: Connection, session_id: str, epoch: int) -> int:
    row = connection.execute(
        "SELECT last_sequence, owner_epoch FROM sessions WHERE session_id = ?", (session_id,)
    ).fetchone()
    if row is None or row[1] != epoch:
        raise errors.Internal(
            f"Session '{session_id}' is not owned here any more; nothing was stored.",
            metadata={"session_id": session_id},
        )
    last: int = row[0]
    return last


def _end_root(connection: Connection, end: EndRoot, now: int) -> None:
    root = find(connection, end.execution_id)
    if root is not None and root.is_active:
        update(connection, replace(root, status=end.status, completed_at=now, failure=end.failure))
