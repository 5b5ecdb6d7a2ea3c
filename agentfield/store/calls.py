"""Executions that are sent to workers over HTTP, in the database."""

from __future__ import annotations

__all__ = ["SqlCalls"]

from collections.abc import Callable, Collection, Sequence

from agentfield.executions.calls import Call
from agentfield.executions.model import (
    Execution,
    accepted,
    answered_later,
    lost,
    returned,
    unreached,
)
from agentfield.executions.work import Offer, Running
from agentfield.store.claims import claim
from agentfield.store.database import Connection, Database
from agentfield.store.http_workers import quieten, silent, start_http_over
from agentfield.store.replicas import LIVE
from agentfield.store.rows import ACTIVE, FACTS, execution_of, hold, stored

# A worker with work that it may take, the one with the least to do first. Calls inside its own
# process were not sent to it and take no place.
_ABLE = (
    "SELECT worker_id, node_id, instance_id, base_url, max_executions - (SELECT count(*)"
    " FROM executions AS own WHERE own.worker_id = workers.worker_id"
    " AND own.status IN ('queued', 'running') AND own.local = 0) AS room"
    " FROM workers WHERE base_url <> '' AND connected = 1 AND draining = 0 AND EXISTS"
    " (SELECT 1 FROM executions WHERE executions.node_id = workers.node_id"
    "  AND status = 'queued' AND executions.worker_id IS NULL)"
    " ORDER BY room DESC, worker_id"
)
_OF_SENDER = f"SELECT {FACTS} FROM executions WHERE {ACTIVE} AND sender <> '' AND sender = ?"
_GONE = (
    f"SELECT DISTINCT sender FROM executions WHERE {ACTIVE} AND sender <> ''"
    f" AND sender NOT IN ({LIVE})"
)


class SqlCalls:
    """The call store of one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def begin(self, replica_id: str) -> None:
        def run(connection: Connection) -> None:
            now = self._db.now()
            others = connection.execute(f"{LIVE} AND replica_id <> ? LIMIT 1", (now, replica_id))
            if not others.fetchone():
                start_http_over(connection, now)

        await self._db.write(run)

    async def called_nodes(self) -> dict[str, int]:
        sql = "SELECT node_id, sum(connected) FROM workers WHERE base_url <> '' GROUP BY node_id"
        rows = await self._db.read(lambda c: c.execute(sql).fetchall())
        return {node_id: int(connected) for node_id, connected in rows}

    async def has_work(self) -> bool:
        return bool(await self._db.read(lambda c: c.execute(_ABLE).fetchone()))

    async def quieten(self, *, silence: float) -> None:
        def some(connection: Connection) -> bool:
            before = self._db.now() - round(silence * 1e6)
            return silent(connection, before=before)

        def run(connection: Connection) -> None:
            now = self._db.now()
            quieten(connection, before=now - round(silence * 1e6), now=now)

        if await self._db.read(some):
            await self._db.write(run)

    async def claim_calls(
        self, sender: str, node_ids: Collection[str], *, roots: bool
    ) -> list[Call]:
        def run(connection: Connection) -> list[Call]:
            now = self._db.now()
            claims = []
            able = connection.execute(_ABLE).fetchall()
            for worker_id, node_id, instance_id, base_url, room in able:
                if node_id not in node_ids:
                    continue
                offer = Offer(
                    worker_id=worker_id,
                    connection_id="",  # it has no stream
                    node_id=node_id,
                    instance_id=instance_id,
                    credit=room,
                )
                taken = claim(connection, offer, now, sender=sender, roots=roots)
                claims += [Call(execution=one, base_url=base_url) for one in taken]
            return claims

        return await self._db.write(run)

    async def sent(self, running: Running, sender: str) -> bool:
        def run(connection: Connection) -> bool:
            before = hold(connection, running.execution_id)
            if before is None or before.sender != sender:
                return False
            after = accepted(before, attempt=running.attempt, now=self._db.now())
            return bool(stored(connection, [before], [after]))

        return await self._db.write(run, keys=[running.execution_id])

    async def withdraw(self, running: Running) -> list[Execution]:
        def gone(connection: Connection) -> bool:
            return not connection.execute(
                "SELECT 1 FROM workers JOIN executions USING (worker_id)"
                " WHERE execution_id = ? AND connected = 1 AND draining = 0",
                (running.execution_id,),
            ).fetchone()

        return await self._change(running, _unsent) if await self._db.read(gone) else []

    async def answered_later(self, running: Running) -> None:
        await self._change(running, answered_later)

    async def unreached(self, running: Running, why: str) -> list[Execution]:
        return await self._change(running, lambda e: unreached(e, why=why, now=self._db.now()))

    async def release(self, unsent: Sequence[Running]) -> list[Execution]:
        changed = []
        for one in unsent:
            changed += await self._change(one, _unsent)
        return changed

    async def gone_senders(self) -> list[str]:
        rows = await self._db.read(lambda c: c.execute(_GONE, (self._db.now(),)).fetchall())
        return [row[0] for row in rows]

    async def return_calls(self, senders: Collection[str]) -> list[Execution]:
        return await self._settle(senders, _unsent)

    async def lose_calls(self, senders: Collection[str]) -> list[Execution]:
        def sent_and_lost(execution: Execution) -> Execution:
            sent = execution.started_at is not None
            return lost(execution, now=self._db.now()) if sent else execution

        return await self._settle(senders, sent_and_lost)

    async def address_of(self, execution_id: str) -> str | None:
        rows = await self._db.read(
            lambda c: c.execute(
                "SELECT base_url FROM workers JOIN executions USING (worker_id)"
                " WHERE execution_id = ? AND base_url <> '' AND local = 0"
                " AND started_at IS NOT NULL",
                (execution_id,),
            ).fetchall()
        )
        return rows[0][0] if rows else None

    async def _change(
        self, running: Running, change: Callable[[Execution], Execution]
    ) -> list[Execution]:
        def run(connection: Connection) -> list[Execution]:
            before = hold(connection, running.execution_id)
            if before is None or before.attempt != running.attempt:
                return []
            return stored(connection, [before], [change(before)])

        return await self._db.write(run, keys=[running.execution_id])

    async def _settle(
        self, senders: Collection[str], change: Callable[[Execution], Execution]
    ) -> list[Execution]:
        def run(connection: Connection) -> list[Execution]:
            rows = [
                row
                for sender in senders
                for row in connection.execute(_OF_SENDER + connection.skip_locked, (sender,))
            ]
            found = [execution_of(row) for row in rows]
            return stored(connection, found, [change(execution) for execution in found])

        return await self._db.write(run) if senders else []


def _unsent(execution: Execution) -> Execution:
    """Return it queued again, unless it was sent."""
    return execution if execution.started_at is not None else returned(execution)
