"""Nodes and their functions."""

from __future__ import annotations

__all__ = ["SqlNodes"]

import json
from collections.abc import Callable

from agentfield.identity import Caller
from agentfield.ids import new_id
from agentfield.nodes.model import Function, Node, Registration, Worker
from agentfield.nodes.ports import Sign
from agentfield.sessions.declaration import Declaration
from agentfield.sessions.snapshot import declaration_from_json, declaration_json
from agentfield.store.database import Connection, Database
from agentfield.store.http_workers import put_address, retire, touch_worker
from agentfield.v1 import errors

_NODE = "node_id, version, description, created_by, created_at, updated_at"

_ACTIVE = (
    "EXISTS (SELECT 1 FROM workers WHERE workers.node_id = nodes.node_id"
    " AND connected = 1 AND draining = 0)"
)


class SqlNodes:
    """The node store of one database."""

    def __init__(self, database: Database, *, new_id: Callable[[str], str] = new_id) -> None:
        self._db = database
        self._new_id = new_id

    async def register(self, registration: Registration, caller: Caller) -> str:
        def run(connection: Connection) -> str:
            now = self._db.now()
            _put_node(connection, registration, caller, now)
            worker_id = self._put_worker(connection, registration, now)
            put_address(connection, registration, worker_id, now)
            return worker_id

        return await self._db.write(run)

    async def get(self, node_id: str) -> Node | None:
        def run(connection: Connection) -> Node | None:
            row = connection.execute(
                f"SELECT {_NODE} FROM nodes WHERE node_id = ?",
                (node_id,),
            ).fetchone()
            return _node(connection, row) if row else None

        return await self._db.read(run)

    async def page(self, *, after: str, limit: int, active: bool | None) -> list[Node]:
        having = {None: "", True: f" AND {_ACTIVE}", False: f" AND NOT {_ACTIVE}"}[active]

        def run(connection: Connection) -> list[Node]:
            rows = connection.execute(
                f"SELECT {_NODE} FROM nodes WHERE node_id > ?{having} ORDER BY node_id LIMIT ?",
                (after, limit),
            ).fetchall()
            return [_node(connection, row) for row in rows]

        return await self._db.read(run)

    async def ids(self) -> list[str]:
        rows = await self._db.read(lambda c: c.execute("SELECT node_id FROM nodes").fetchall())
        return [row[0] for row in rows]

    async def touch(self, node_id: str, sign: Sign, caller: Caller) -> int | None:
        def run(connection: Connection) -> int | None:
            _check_caller(connection, node_id, caller)
            now = self._db.now()
            return now if touch_worker(connection, node_id, sign, now) else None

        return await self._db.write(run)

    async def retire(
        self, node_id: str, worker_id: str, caller: Caller, *, drain: float
    ) -> int | None:
        def run(connection: Connection) -> int | None:
            _check_caller(connection, node_id, caller)
            now = self._db.now()
            until = now + round(drain * 1e6)
            return now if retire(connection, node_id, worker_id, until=until) else None

        return await self._db.write(run)

    def _put_worker(self, connection: Connection, registration: Registration, now: int) -> str:
        row = connection.execute(
            "INSERT INTO workers (worker_id, node_id, instance_id, function_names, session_names,"
            " seen_at, disconnected_at) VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (node_id, instance_id) DO UPDATE"
            " SET function_names = excluded.function_names,"
            " session_names = excluded.session_names, seen_at = excluded.seen_at"
            " RETURNING worker_id",
            (
                self._new_id("reg"),
                registration.node_id,
                registration.instance_id,
                json.dumps([f.name for f in registration.functions]),
                json.dumps([s.name for s in registration.sessions]),
                now,
                now,
            ),
        ).fetchone()
        worker_id: str = row[0]
        return worker_id


def _check_caller(connection: Connection, node_id: str, caller: Caller) -> None:
    row = connection.execute(
        "SELECT created_by FROM nodes WHERE node_id = ?", (node_id,)
    ).fetchone()
    if row:
        _check_owner(node_id, row[0], caller)


def _check_owner(node_id: str, owner: str, caller: Caller) -> None:
    if not caller.may_act_for(node_id, owner):
        raise errors.PermissionDenied(
            f"Node '{node_id}' was registered with another key.", metadata={"node_id": node_id}
        )


def _put_node(connection: Connection, registration: Registration, caller: Caller, now: int) -> None:
    r = registration
    # The row is held from here on: of two that register, the second sees the first.
    row = connection.execute(
        "INSERT INTO nodes VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (node_id) DO UPDATE"
        " SET version = excluded.version, description = excluded.description,"
        " updated_at = excluded.updated_at,"
        " created_by = CASE nodes.created_by WHEN '' THEN excluded.created_by"
        " ELSE nodes.created_by END RETURNING created_by",
        (r.node_id, r.version, r.description, caller.name, now, now),
    ).fetchone()
    _check_owner(r.node_id, row[0], caller)
    connection.execute("DELETE FROM functions WHERE node_id = ?", (r.node_id,))
    connection.executemany(
        "INSERT INTO functions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                r.node_id,
                f.name,
                position,
                f.kind,
                f.idempotent,
                f.description,
                json.dumps(f.tags),
                f.input_schema,
                f.output_schema,
            )
            for position, f in enumerate(r.functions)
        ],
    )
    connection.execute("DELETE FROM node_sessions WHERE node_id = ?", (r.node_id,))
    connection.executemany(
        "INSERT INTO node_sessions VALUES (?, ?, ?, ?)",
        [
            (r.node_id, session.name, position, declaration_json(session))
            for position, session in enumerate(r.sessions)
        ],
    )


def _node(connection: Connection, row: tuple[str, str, str, str, int, int]) -> Node:
    node_id, version, description, created_by, created_at, updated_at = row
    return Node(
        node_id=node_id,
        version=version,
        description=description,
        created_by=created_by,
        created_at=created_at,
        updated_at=updated_at,
        functions=_functions(connection, node_id),
        sessions=_sessions(connection, node_id),
        workers=_workers(connection, node_id),
    )


def _functions(connection: Connection, node_id: str) -> tuple[Function, ...]:
    rows = connection.execute(
        "SELECT name, kind, description, input_schema, output_schema, tags, idempotent"
        " FROM functions WHERE node_id = ? ORDER BY position",
        (node_id,),
    )
    return tuple(
        Function(
            name=name,
            kind=kind,
            description=description,
            input_schema=input_schema,
            output_schema=output_schema,
            tags=tuple(json.loads(tags)),
            idempotent=bool(idempotent),
        )
        for name, kind, description, input_schema, output_schema, tags, idempotent in rows
    )


def _sessions(connection: Connection, node_id: str) -> tuple[Declaration, ...]:
    rows = connection.execute(
        "SELECT declaration FROM node_sessions WHERE node_id = ? ORDER BY position", (node_id,)
    )
    return tuple(declaration_from_json(data) for (data,) in rows)


def _workers(connection: Connection, node_id: str) -> tuple[Worker, ...]:
    rows = connection.execute(
        "SELECT worker_id, instance_id, connected, draining, max_executions, seen_at,"
        " (SELECT count(*) FROM executions e WHERE e.worker_id = workers.worker_id"
        "  AND e.status IN ('queued', 'running')), max_sessions, base_url, status"
        " FROM workers WHERE node_id = ? ORDER BY seen_at, worker_id",
        (node_id,),
    )
    return tuple(
        Worker(
            worker_id=row[0],
            instance_id=row[1],
            connected=bool(row[2]),
            draining=bool(row[3]),
            max_executions=row[4],
            seen_at=row[5],
            running=row[6],
            max_sessions=row[7],
            base_url=row[8],
            status=row[9],
        )
        for row in rows
    )
