"""What a session's owner changes."""

from __future__ import annotations

__all__ = ["apply_changes"]

from collections.abc import Sequence
from dataclasses import replace

from agentfield.sessions.model import Event
from agentfield.sessions.ports import Append, Change, EndRoot, PutCall, PutSession, PutToolCall
from agentfield.store.database import Connection
from agentfield.store.rows import hold, update
from agentfield.store.session_rows import (
    extend_log,
    insert_events,
    put_call,
    put_session,
)
from agentfield.store.session_tools import put_tool_call


def apply_changes(
    connection: Connection, session_id: str, epoch: int, changes: Sequence[Change], now: int
) -> list[Event]:
    """Store changes; return the events with sequence and time. Raises Unowned."""
    appends = [change for change in changes if isinstance(change, Append)]
    last = extend_log(connection, session_id, epoch, len(appends)) - len(appends)
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
    return events


def _end_root(connection: Connection, end: EndRoot, now: int) -> None:
    root = hold(connection, end.execution_id)
    if root is not None and root.is_active:
        update(connection, replace(root, status=end.status, completed_at=now, failure=end.failure))
