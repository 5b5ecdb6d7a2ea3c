"""Answers that are remembered, so that a repeated request gets the first one."""

from __future__ import annotations

__all__ = ["REQUEST_TTL", "earlier_answer", "remember_answer"]

from agentfield.store.database import Connection, WriteConflict
from agentfield.v1 import errors

REQUEST_TTL = 24 * 3600 * 1_000_000
Key = tuple[str, str, str]
"""The caller's name, the rpc, and the request id; an empty id: not to be remembered."""


def earlier_answer(
    connection: Connection, key: Key, fingerprint: bytes, now: int, *, names: str
) -> str | None:
    """Return the answer of an earlier request; None if there was none.

    ``names`` says what an answer is. Raises RequestIdReused if it was another request.
    """
    request_id = key[2]
    if not request_id:
        return None
    row = connection.execute(
        "SELECT fingerprint, answer FROM requests"
        " WHERE key_name = ? AND rpc = ? AND request_id = ? AND expires_at > ?",
        (*key, now),
    ).fetchone()
    if row is None:
        return None
    if row[0] != fingerprint:
        raise errors.RequestIdReused(
            f"The request_id '{request_id}' was used before with another request.",
            metadata={"request_id": request_id, names: row[1]},
        )
    answer: str = row[1]
    return answer


def remember_answer(
    connection: Connection, key: Key, fingerprint: bytes, answer: str, now: int
) -> None:
    """Remember an answer for as long as its request id may be repeated.

    Raises WriteConflict if there is one by now.
    """
    if key[2]:
        done = connection.execute(
            "INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (key_name, rpc, request_id) DO UPDATE SET"
            " fingerprint = excluded.fingerprint, answer = excluded.answer,"
            " expires_at = excluded.expires_at WHERE requests.expires_at <= ?",
            (*key, fingerprint, answer, now + REQUEST_TTL, now),
        )
        if not done.rowcount:
            raise WriteConflict("the same request has just been answered by another server")
