"""Workers that are called over HTTP, in the database."""

from __future__ import annotations

__all__ = [
    "UNREACHABLE",
    "check_reachable",
    "put_address",
    "quieten",
    "retire",
    "silent",
    "start_http_over",
    "touch_worker",
]

from agentfield.nodes.model import Registration
from agentfield.nodes.ports import Sign
from agentfield.store.database import Connection
from agentfield.v1 import errors

_NEWEST = (
    "SELECT worker_id FROM workers WHERE node_id = ? AND base_url <> ''"
    " ORDER BY draining, seen_at DESC, worker_id DESC LIMIT 1"
)

UNREACHABLE = (
    "(SELECT offline FROM http_nodes WHERE http_nodes.node_id = functions.node_id AND NOT EXISTS"
    " (SELECT 1 FROM workers WHERE workers.node_id = functions.node_id"
    " AND (base_url = '' OR (connected = 1 AND draining = 0))))"
)
"""Of a function, if all workers of its node are called over HTTP and none is there: whether the
node said that it leaves; else NULL."""


def put_address(
    connection: Connection, registration: Registration, worker_id: str, now: int
) -> None:
    """Store where a worker is called, if it is; take its predecessors for gone.

    A process at another address goes on as soon as it gives a sign of life; one at the same address
    cannot be there any more.
    """
    r = registration
    if not r.base_url:
        connection.execute("DELETE FROM http_nodes WHERE node_id = ?", (r.node_id,))
        connection.execute("UPDATE workers SET base_url = '' WHERE worker_id = ?", (worker_id,))
        return
    connection.execute(
        "INSERT INTO http_nodes (node_id, offline) VALUES (?, 0)"
        " ON CONFLICT (node_id) DO UPDATE SET offline = 0",
        (r.node_id,),
    )
    connection.execute(
        "UPDATE workers SET base_url = ?, status = ?, max_executions = ?, connected = 1,"
        " connection_id = '', draining = 0, disconnected_at = NULL WHERE worker_id = ?",
        (r.base_url, r.status, r.max_executions, worker_id),
    )
    connection.execute(
        "UPDATE workers SET connected = 0, disconnected_at = coalesce(disconnected_at, ?),"
        " draining = CASE WHEN base_url = ? THEN 1 ELSE draining END"
        " WHERE node_id = ? AND base_url <> '' AND worker_id <> ?",
        (now, r.base_url, r.node_id, worker_id),
    )


def touch_worker(connection: Connection, node_id: str, sign: Sign, now: int) -> bool:
    """Note a sign of life of a worker; return whether it is known."""
    worker_id = sign.worker_id or _find(connection, node_id, sign.instance_id)
    done = connection.execute(
        "UPDATE workers SET seen_at = ? WHERE worker_id = ? AND node_id = ?",
        (now, worker_id, node_id),
    )
    if not done.rowcount:
        return False  # perhaps it is another node's: nothing is said of that
    connection.execute(
        "UPDATE workers SET connected = 1, disconnected_at = NULL"
        " WHERE worker_id = ? AND base_url <> '' AND connected = 0 AND draining = 0",
        (worker_id,),
    )
    if sign.status:
        connection.execute(
            "UPDATE workers SET status = ?, draining = CASE WHEN ? = 'offline' AND base_url <> ''"
            " THEN 1 ELSE draining END WHERE worker_id = ?",
            (sign.status, sign.status, worker_id),
        )
    return True


def _find(connection: Connection, node_id: str, instance_id: str) -> str:
    if instance_id:
        found = connection.execute(
            "SELECT worker_id FROM workers WHERE node_id = ? AND instance_id = ?",
            (node_id, instance_id),
        ).fetchone()
    else:
        found = connection.execute(_NEWEST, (node_id,)).fetchone()
    return found[0] if found else ""


def retire(connection: Connection, node_id: str, worker_id: str, *, until: int) -> bool:
    """Give a worker, or all of a node, no more work; what they run is lost from a time on.

    Return whether there was one with an address.
    """
    done = connection.execute(
        "UPDATE workers SET connected = 0, draining = 1, status = 'offline', disconnected_at = ?"
        " WHERE node_id = ? AND base_url <> '' AND (worker_id = ? OR (? = '' AND draining = 0))",
        (until, node_id, worker_id, worker_id),
    )
    if done.rowcount:
        connection.execute("UPDATE http_nodes SET offline = 1 WHERE node_id = ?", (node_id,))
    return done.rowcount > 0


def silent(connection: Connection, *, before: int) -> bool:
    """Return whether a worker that is there has given no sign of life since a time."""
    return bool(
        connection.execute(
            "SELECT 1 FROM workers WHERE base_url <> '' AND connected = 1 AND seen_at <= ? LIMIT 1",
            (before,),
        ).fetchone()
    )


def quieten(connection: Connection, *, before: int, now: int) -> None:
    """Take workers for gone that have given no sign of life since a time."""
    connection.execute(
        "UPDATE workers SET connected = 0, disconnected_at = ?"
        " WHERE base_url <> '' AND connected = 1 AND seen_at <= ?",
        (now, before),
    )


def start_http_over(connection: Connection, now: int) -> None:
    """Give workers time for a sign of life: nobody has listened for a while."""
    connection.execute(
        "UPDATE workers SET seen_at = ? WHERE base_url <> '' AND connected = 1", (now,)
    )
    connection.execute(
        "UPDATE workers SET disconnected_at = ? WHERE base_url <> '' AND disconnected_at < ?",
        (now, now),
    )


def check_reachable(node_id: str, offline: int | None) -> None:
    """Raise NodeUnavailable if UNREACHABLE says that nobody is there."""
    if offline is not None:
        state = "offline" if offline else "not reachable (health: inactive)"
        raise errors.NodeUnavailable(
            f"agent node '{node_id}' is {state}; start the node and retry",
            metadata={"node_id": node_id},
        )
