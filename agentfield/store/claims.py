"""Which queued executions a worker gets."""

from __future__ import annotations

__all__ = ["CLAIMING", "WAITING", "claim"]

import json
from collections.abc import Sequence

from agentfield.executions.model import Execution, claimed
from agentfield.executions.work import MAX_CLAIM, Offer
from agentfield.store.database import Connection
from agentfield.store.rows import ACTIVE, INPUT, execution_of, update_all

_QUEUED = "node_id = ? AND status = 'queued' AND executions.worker_id IS NULL"
# How many of a worker's executions wait for a call of their own: each lends its slot. What has
# called is running, whether its acceptance is stored yet or not. A call inside the worker's own
# process has no slot to lend.
WAITING = (
    f"SELECT count(*) FROM executions AS parent WHERE worker_id = ? AND {ACTIVE} AND local = 0"
    " AND EXISTS (SELECT 1 FROM executions AS child"
    " WHERE child.parent_execution_id = parent.execution_id"
    " AND child.status IN ('queued', 'running'))"
)

# What a worker declares, and whether nested work waits for its node.
CLAIMING = (
    f"SELECT function_names, EXISTS (SELECT 1 FROM executions WHERE executions.{_QUEUED}"
    " AND depth > 0) FROM workers WHERE workers.worker_id = ? AND connection_id = ?"
    " AND connected = 1"
)


def claim(
    connection: Connection, offer: Offer, now: int, *, sender: str = "", roots: bool = True
) -> list[Execution]:
    """Claim what a worker can take, and return it with inputs; without ``roots`` only nested calls.

    ``sender`` is the process of ours that calls the worker, if it is called over HTTP.
    """
    # Held, so that a worker that is removed meanwhile loses what it is given here as well.
    row = connection.execute(
        CLAIMING + connection.for_update, (offer.node_id, offer.worker_id, offer.connection_id)
    ).fetchone()
    if row is None:
        return []
    functions, nests = json.loads(row[0]), bool(row[1])
    # Nested work first, the deepest first: what is begun is finished before more is begun.
    room = min(_nested_room(connection, offer), MAX_CLAIM) if nests else 0
    nested = _queued(connection, offer, "depth > 0", functions=functions, room=room, now=now)
    room = min(offer.credit, MAX_CLAIM) - len(nested) if roots else 0
    others = _queued(connection, offer, "depth = 0", functions=functions, room=room, now=now)
    facts = {"worker_id": offer.worker_id, "instance_id": offer.instance_id, "sender": sender}
    taken = [claimed(execution, now=now, **facts) for execution in nested + others]
    update_all(connection, taken)
    return taken


def _nested_room(connection: Connection, offer: Offer) -> int:
    waiting: int = connection.execute(WAITING, (offer.worker_id,)).fetchone()[0]
    return offer.credit + waiting


def _queued(
    connection: Connection,
    offer: Offer,
    condition: str,
    *,
    functions: Sequence[str],
    room: int,
    now: int,
) -> list[Execution]:
    if room <= 0 or not functions:
        return []
    marks = ", ".join("?" * len(functions))
    rows = connection.execute(
        f"SELECT {INPUT} FROM executions WHERE {_QUEUED} AND {condition} AND expires_at > ?"
        f" AND function IN ({marks}) ORDER BY depth DESC, seq LIMIT ?{connection.skip_locked}",
        (offer.node_id, now, *functions, room),
    )
    return [execution_of(row) for row in rows]
