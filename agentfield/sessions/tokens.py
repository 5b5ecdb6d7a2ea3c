"""Session tokens: they stand in place of a key for one session. Kept as hashes only."""

from __future__ import annotations

__all__ = ["PREFIX", "expires_at", "hashed", "holder", "new_token"]

import hashlib
import secrets

from agentfield.identity import Caller
from agentfield.sessions.model import Session
from agentfield.sessions.ports import StoredToken

PREFIX = "aft_"
SPARE_SECONDS = 60
"""How long a token is good after its session's end."""


def new_token() -> str:
    """Return a token that nobody can guess: 32 random bytes."""
    return PREFIX + secrets.token_urlsafe(32)


def hashed(token: str) -> bytes:
    """Return the SHA-256 of a token."""
    return hashlib.sha256(token.encode()).digest()


def expires_at(session: Session) -> int:
    """Return when a session's token is void at the latest, in microseconds since the epoch."""
    longest = session.declaration.limits.max_duration + SPARE_SECONDS
    return session.connect_by + round(longest * 1e6)


def holder(token: StoredToken | None, now: int) -> Caller | None:
    """Return who shows a token; None if it is not good any more."""
    if token is None or token.expires_at <= now:
        return None
    if token.ended_at is not None and token.ended_at + SPARE_SECONDS * 1_000_000 <= now:
        return None
    return Caller(name=token.created_by, roles=frozenset({"session"}), session_id=token.session_id)
