"""Start tokens: they stand in place of a key to start sessions of one target. Kept as hashes only."""

from __future__ import annotations

__all__ = [
    "DEFAULT_TTL",
    "KEPT",
    "MAX_TTL",
    "MAX_USES",
    "PREFIX",
    "StartToken",
    "StartTokenStore",
    "check_wish",
    "checked_ttl",
    "checked_uses",
    "expired",
    "new_token",
    "used_up",
]

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from agentfield.identity import StartGrant
from agentfield.v1 import errors

PREFIX = "afs_"
DEFAULT_TTL = 600.0
MIN_TTL = 1.0
MAX_TTL = 3600.0
MAX_USES = 1000
KEPT = 24 * 3600 * 1_000_000
"""How long after its end a token can be told from one that never was, in microseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartToken:
    """A start token that is kept as its hash."""

    token_id: str
    sha256: bytes
    node_id: str
    name: str
    """The session's name on its node."""
    created_by: str
    """The name of the key that made it: what it starts is that one's."""
    actor_id: str
    uses_left: int
    created_at: int
    expires_at: int

    @property
    def target(self) -> str:
        return f"{self.node_id}.{self.name}"


class StartTokenStore(Protocol):
    """Where start tokens are kept; a start uses them up."""

    def now(self) -> int:
        """Return the store's time, in microseconds since the epoch."""

    async def add(self, token: StartToken) -> None: ...

    async def find(self, sha256: bytes) -> StartToken | None: ...


def new_token() -> str:
    """Return a token that nobody can guess: 32 random bytes."""
    return PREFIX + secrets.token_urlsafe(32)


def checked_ttl(seconds: float | None) -> float:
    """Return for how long a token is to be good. Raises InvalidArgument."""
    if seconds is None:
        return DEFAULT_TTL
    if not MIN_TTL <= seconds <= MAX_TTL:
        raise errors.InvalidArgument(
            f"A start token is good for {MIN_TTL:g} to {MAX_TTL:g} seconds, not {seconds:g}.",
            metadata={"field": "ttl"},
        )
    return seconds


def checked_uses(uses: int) -> int:
    """Return how many sessions a token is to start. Raises InvalidArgument."""
    if not 0 <= uses <= MAX_USES:
        raise errors.InvalidArgument(
            f"A start token starts 1 to {MAX_USES} sessions, not {uses}.",
            metadata={"field": "uses"},
        )
    return uses or 1


def check_wish(grant: StartGrant, target: str, chosen: Mapping[str, str]) -> None:
    """Raise PermissionDenied if a start goes beyond its token.

    ``chosen`` is what only a key may choose; empty: the start does not.
    """
    if target != grant.target:
        raise errors.PermissionDenied(
            f"This start token starts {grant.target} alone, not {target[:256]}.",
            metadata={"target": grant.target},
        )
    for field, choice in chosen.items():
        if choice:
            raise errors.PermissionDenied(
                f"With a start token a session of {target} starts as it is declared; only with a "
                f"key its {field} can be chosen.",
                metadata={"target": target, "field": field},
            )


def expired(target: str) -> errors.StartTokenExpired:
    """Return the error of a token that was good."""
    return errors.StartTokenExpired(
        f"This start token for {target} has expired; ask whoever gave it to you for a new one.",
        metadata={"target": target},
    )


def used_up(target: str) -> errors.StartTokenUsedUp:
    """Return the error of a token that has started all that it may."""
    return errors.StartTokenUsedUp(
        f"This start token for {target} has started as many sessions as it may; ask whoever gave "
        "it to you for a new one.",
        metadata={"target": target},
    )
