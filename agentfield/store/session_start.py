"""How a session comes into the store."""

from __future__ import annotations

__all__ = ["start_session"]

from collections.abc import Callable, Sequence
from dataclasses import replace

from agentfield.sessions.model import Session
from agentfield.sessions.ports import Begun, Found, Start
from agentfield.sessions.snapshot import declaration_from_json
from agentfield.store.database import Connection
from agentfield.store.replicas import able, holds_lease
from agentfield.store.requests import earlier_answer, remember_answer
from agentfield.store.rows import insert
from agentfield.store.session_rows import (
    UNFINISHED,
    extend_log,
    find_session,
    insert_events,
    insert_session,
    put_session,
)
from agentfield.store.session_tools import functions
from agentfield.store.start_tokens import spend
from agentfield.v1 import errors

RPC = "StartSession"


def start_session(
    connection: Connection, start: Start, begin: Callable[[Found], Begun], now: int
) -> tuple[Session, bool]:
    """Store what ``begin`` makes of what is found; return the session and whether it is new."""
    # Whoever shows a token repeats the requests of that token alone.
    key = (start.start_token_id or start.caller_name, RPC, start.request_id)
    if start.start_token_id:
        connection.lock(RPC)  # the one who repeats it does not find its last use gone
    session_id = earlier_answer(connection, key, start.fingerprint, now, names="session_id")
    if session_id is None:
        _check_lease(connection, start.replica_id, now)
        connection.lock(RPC)  # the ceilings hold for all servers together
        if start.start_token_id:
            spend(connection, start.start_token_id, now)
        begun = begin(_found(connection, start, now))
        session_id = begun.session.session_id
        _insert(connection, begun, start.request_id, now)
        remember_answer(connection, key, start.fingerprint, session_id, now)
        created = True
    else:
        created = False
    session = find_session(connection, session_id)
    assert session is not None  # noqa: S101 - a session's row is never removed
    connection.execute(
        "INSERT INTO client_tokens (sha256, session_id, created_at, expires_at)"
        " VALUES (?, ?, ?, ?)",
        (start.token_sha256, session_id, now, start.token_expires_at(session)),
    )
    return session, created


def _insert(connection: Connection, begun: Begun, request_id: str, now: int) -> None:
    session = begun.session
    insert_session(connection, session, request_id)
    put_session(connection, session)
    insert(connection, begun.root)
    events = [replace(e, sequence=n, at=now) for n, e in enumerate(begun.events, 1)]
    extend_log(connection, session.session_id, session.owner_epoch, len(events))
    insert_events(connection, session.session_id, events, epoch=session.owner_epoch)


def _found(connection: Connection, start: Start, now: int) -> Found:
    node = connection.execute("SELECT 1 FROM nodes WHERE node_id = ?", (start.node_id,)).fetchone()
    rows = connection.execute(
        "SELECT name, declaration FROM node_sessions WHERE node_id = ? ORDER BY position",
        (start.node_id,),
    )
    declarations = {name: declaration_from_json(data) for name, data in rows}
    named = declarations.get(start.name)
    tools = _targets(start.node_id, named.tools if named else ())
    return Found(
        node_exists=bool(node),
        declarations=declarations,
        functions=functions(connection, tools),
        sessions_of_target=_count(
            connection, "node_id = ? AND name = ?", (start.node_id, start.name)
        ),
        sessions_of_caller=_count(connection, "created_by = ?", (start.caller_name,)),
        now=now,
        replicas_with_room=able(connection, start.node_id, start.name, now),
    )


def _check_lease(connection: Connection, replica_id: str, now: int) -> None:
    if not holds_lease(connection, replica_id, now):
        # Others may be taking over what it has: nobody would take this.
        raise errors.StoreUnavailable(
            "This server has lost its lease and takes another; nothing was stored, try again.",
            retry_after=1,
        )


def _targets(node_id: str, tools: Sequence[str]) -> list[str]:
    # A function's name may have a dot in it: then it is looked for on this node as well.
    own = [f"{node_id}.{tool}" for tool in tools]
    return [*own, *(tool for tool in tools if "." in tool)]


def _count(connection: Connection, condition: str, values: tuple[str, ...]) -> int:
    sql = f"SELECT count(*) FROM sessions WHERE {UNFINISHED} AND {condition}"
    count: int = connection.execute(sql, values).fetchone()[0]
    return count
