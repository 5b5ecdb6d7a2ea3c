"""Claims and connected workers."""

from __future__ import annotations

__all__ = ["SqlWork"]

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from agentfield.executions.model import Execution, accepted, lost, returned
from agentfield.executions.work import Acceptance, Offer, Rejoined, Running
from agentfield.identity import Caller
from agentfield.store.claims import claim
from agentfield.store.database import Connection, Database
from agentfield.store.replicas import has_gone, see_off_gone
from agentfield.store.rows import ACTIVE, FACTS, execution_of, hold_all, stored
from agentfield.v1 import errors

_OF_WORKER = f"SELECT {FACTS} FROM executions WHERE worker_id = ? AND {ACTIVE}"
_GONE = (
    "SELECT worker_id FROM workers WHERE disconnected_at <= ? AND EXISTS"
    " (SELECT 1 FROM executions WHERE executions.worker_id = workers.worker_id"
    f"  AND {ACTIVE})"
)


class SqlWork:
    """The work store of one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def see_off_gone(self) -> None:
        if await self._db.read(lambda c: has_gone(c, self._db.now())):
            await self._db.write(lambda c: see_off_gone(c, self._db.now()))

    async def connect(
        self,
        worker_id: str,
        connection_id: str,
        *,
        max_executions: int,
        running: Sequence[Running],
        caller: Caller,
        replica_id: str,
        max_sessions: int = 0,
    ) -> Rejoined:
        def run(connection: Connection) -> Rejoined:
            now = self._db.now()
            worker = _known_worker(connection, worker_id, caller)
            found = connection.execute(
                "UPDATE workers SET connected = 1, connection_id = ?, replica_id = ?, draining = 0,"
                " disconnected_at = NULL, max_executions = ?, max_sessions = ?, seen_at = ?"
                " WHERE worker_id = ?",
                (connection_id, replica_id, max_executions, max_sessions, now, worker_id),
            )
            if worker is None or not found.rowcount:
                raise errors.RegistrationNotFound(
                    f"The registration '{worker_id}' is not known here; register again.",
                    metadata={"registration_id": worker_id},
                )
            changed, forget = _settle(connection, worker_id, running, now)
            return Rejoined(
                node_id=worker.node_id,
                instance_id=worker.instance_id,
                session_names=frozenset(json.loads(worker.session_names)),
                changed=tuple(changed),
                forget=tuple(forget),
            )

        return await self._db.write(run)

    async def claim(self, offers: Sequence[Offer]) -> list[Execution]:
        def run(connection: Connection) -> list[Execution]:
            now = self._db.now()
            return [e for offer in offers for e in claim(connection, offer, now)]

        return await self._db.write(run)

    async def accept(self, acceptances: Sequence[Acceptance]) -> list[Execution]:
        def run(connection: Connection) -> list[Execution]:
            ids = [one.running.execution_id for one in acceptances]
            before = hold_all(connection, ids)
            after = dict(before)
            for one in acceptances:
                known = after.get(one.running.execution_id)
                if known is not None and known.worker_id == one.worker_id:
                    attempt = one.running.attempt
                    after[known.execution_id] = accepted(known, attempt=attempt, now=one.at)
            return stored(connection, before.values(), after.values())

        ids = [one.running.execution_id for one in acceptances]
        return await self._db.write(run, keys=ids)

    async def release(self, unsent: Sequence[Running]) -> list[Execution]:
        return await self._db.write(lambda c: _release(c, unsent)) if unsent else []

    async def drain(self, worker_id: str, unsent: Sequence[Running]) -> list[Execution]:
        def run(connection: Connection) -> list[Execution]:
            connection.execute("UPDATE workers SET draining = 1 WHERE worker_id = ?", (worker_id,))
            return _release(connection, unsent)

        return await self._db.write(run)

    async def disconnect(
        self, worker_id: str, connection_id: str, *, unsent: Sequence[Running], for_good: bool
    ) -> list[Execution]:
        def run(connection: Connection) -> list[Execution]:
            now = self._db.now()
            changed = _release(connection, unsent)
            newest = connection.execute(
                "UPDATE workers SET connected = 0, seen_at = ?, disconnected_at = ?"
                " WHERE worker_id = ? AND connection_id = ?",
                (now, now, worker_id, connection_id),
            )
            if for_good and newest.rowcount:
                changed += _remove(connection, worker_id, now)
            return changed

        return await self._db.write(run)

    async def deregister(
        self, node_id: str, worker_id: str, *, unsent: Sequence[Running], caller: Caller
    ) -> list[Execution] | None:
        def run(connection: Connection) -> list[Execution] | None:
            worker = _known_worker(connection, worker_id, caller)
            if worker is None or worker.node_id != node_id:
                return None
            return _release(connection, unsent) + _remove(connection, worker_id, self._db.now())

        return await self._db.write(run)

    async def active(self, worker_ids: Sequence[str]) -> frozenset[str]:
        marks = ", ".join("?" * len(worker_ids))
        sql = f"SELECT execution_id FROM executions WHERE worker_id IN ({marks}) AND {ACTIVE}"
        rows = await self._db.read(lambda c: c.execute(sql, worker_ids).fetchall())
        return frozenset(execution_id for (execution_id,) in rows)

    async def handled(self, session_ids: Sequence[str]) -> Mapping[str, int]:
        marks = ", ".join("?" * len(session_ids))
        sql = (
            "SELECT session_id, attempt FROM sessions"
            f" WHERE handler = 'running' AND session_id IN ({marks})"
        )
        rows = await self._db.read(lambda c: c.execute(sql, session_ids).fetchall())
        return dict(rows)

    async def give_up(self, *, grace: float) -> list[Execution]:
        def gone(connection: Connection, held: str = "") -> list[tuple[str]]:
            before = self._db.now() - round(grace * 1e6)
            return connection.execute(_GONE + held, (before,)).fetchall()

        def run(connection: Connection) -> list[Execution]:
            now = self._db.now()
            # Read again, and held: a worker may have come back between the two.
            workers = gone(connection, connection.skip_locked)
            return [e for (worker_id,) in workers for e in _lose(connection, worker_id, now)]

        return await self._db.write(run) if await self._db.read(gone) else []

    async def forget(self, *, lease: float) -> None:
        def run(connection: Connection) -> None:
            before = self._db.now() - round(lease * 1e6)
            connection.execute(
                "DELETE FROM workers WHERE connected = 0 AND seen_at <= ? AND NOT EXISTS"
                " (SELECT 1 FROM executions WHERE executions.worker_id = workers.worker_id"
                f"  AND {ACTIVE})",
                (before,),
            )

        await self._db.write(run)


class _Known(NamedTuple):
    node_id: str
    instance_id: str
    session_names: str


def _known_worker(connection: Connection, worker_id: str, caller: Caller) -> _Known | None:
    """Return what is known of a worker, None if there is none. Raises PermissionDenied."""
    row = connection.execute(
        "SELECT node_id, instance_id, session_names, nodes.created_by"
        " FROM workers JOIN nodes USING (node_id) WHERE worker_id = ?",
        (worker_id,),
    ).fetchone()
    if row is None:
        return None
    known, owner = _Known(*row[:3]), row[3]
    if not caller.may_act_for(known.node_id, owner):
        raise errors.PermissionDenied(
            f"This key did not register node '{known.node_id}'.",
            metadata={"node_id": known.node_id},
        )
    return known


def _settle(
    connection: Connection, worker_id: str, running: Sequence[Running], now: int
) -> tuple[list[Execution], list[Running]]:
    """Compare what a worker runs with what it was given; return what changed and what is moot."""
    listed = {(one.execution_id, one.attempt) for one in running}
    before = _of_worker(connection, worker_id)
    after = []
    for execution in before:
        known = (execution.execution_id, execution.attempt)
        if execution.local:
            after.append(execution)
        elif known in listed:
            listed.discard(known)
            after.append(accepted(execution, attempt=execution.attempt, now=now))
        elif execution.started_at is None:
            after.append(returned(execution))
        else:
            after.append(lost(execution, now=now))
    forget = [one for one in running if (one.execution_id, one.attempt) in listed]
    return stored(connection, before, after), forget


def _release(connection: Connection, unsent: Iterable[Running]) -> list[Execution]:
    attempts = {one.execution_id: one.attempt for one in unsent}
    before = hold_all(connection, list(attempts)).values()
    # The attempt tells whether this is still the claim that was not sent.
    still = [e for e in before if e.attempt == attempts[e.execution_id] and e.started_at is None]
    return stored(connection, still, [returned(execution) for execution in still])


def _remove(connection: Connection, worker_id: str, now: int) -> list[Execution]:
    connection.execute("DELETE FROM workers WHERE worker_id = ?", (worker_id,))
    return _lose(connection, worker_id, now)


def _lose(connection: Connection, worker_id: str, now: int) -> list[Execution]:
    before = _of_worker(connection, worker_id)
    return stored(connection, before, [lost(execution, now=now) for execution in before])


def _of_worker(connection: Connection, worker_id: str) -> list[Execution]:
    rows = connection.execute(_OF_WORKER + connection.for_update, (worker_id,))
    return [execution_of(row) for row in rows]
