"""Start tokens: made by those who have a key, shown by those who have none."""

from __future__ import annotations

__all__ = ["MadeToken", "StartTokens"]

from dataclasses import dataclass

from agentfield.executions.submission import MICROSECONDS
from agentfield.identity import Caller, Keyring, StartGrant
from agentfield.ids import new_id
from agentfield.nodes.ports import Store as NodeStore
from agentfield.sessions.start_tokens import (
    StartToken,
    StartTokenStore,
    checked_ttl,
    checked_uses,
    expired,
    new_token,
)
from agentfield.sessions.starting import ServedPairs, check_served, declared, split_target
from agentfield.sessions.tokens import hashed
from agentfield.v1 import errors

MAKERS = frozenset({"client"})
"""The roles, besides admin, of keys that make start tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeToken:
    """A start token as it is shown, once, and as it is kept."""

    secret: str
    kept: StartToken


class StartTokens:
    """The start tokens of one control plane."""

    def __init__(
        self,
        store: StartTokenStore,
        nodes: NodeStore,
        keyring: Keyring | None,
        served: ServedPairs,
    ) -> None:
        self._store = store
        self._nodes = nodes
        self._keyring = keyring
        self._served = served

    async def create(
        self, target: str, *, ttl: float | None, uses: int, caller: Caller, actor_id: str
    ) -> MadeToken:
        """Make a token that starts sessions of a declared target, for ``ttl`` seconds."""
        node_id, name = split_target(target)
        seconds, uses = checked_ttl(ttl), checked_uses(uses)
        node = await self._nodes.get(node_id)
        declarations = {each.name: each for each in node.sessions} if node else None
        secret, now = new_token(), self._store.now()
        kept = StartToken(
            token_id=new_id("start"),
            sha256=hashed(secret),
            node_id=node_id,
            name=name,
            created_by=caller.name,
            actor_id=actor_id,
            uses_left=uses,
            created_at=now,
            expires_at=now + round(seconds * MICROSECONDS),
        )
        check_served(kept.target, declared(node_id, name, declarations), self._served)
        await self._store.add(kept)
        return MadeToken(secret=secret, kept=kept)

    async def holder(self, secret: str) -> Caller:
        """Return who shows a start token. Raises Unauthenticated and StartTokenExpired.

        One that is used up is known still: a start that it has made may be repeated.
        """
        token = await self._store.find(hashed(secret))
        if token is None:
            raise errors.Unauthenticated(
                "This start token is not known here; ask whoever gave it to you for a new one."
            )
        if token.expires_at <= self._store.now():
            raise expired(token.target)
        if self._keyring is not None and not self._keyring.has(token.created_by, MAKERS):
            raise errors.Unauthenticated(
                "The key that made this start token may not start sessions here any more; ask "
                "whoever gave it to you for a new one."
            )
        return Caller(
            name=token.created_by,
            roles=frozenset({"start"}),
            start=StartGrant(token_id=token.token_id, target=token.target, actor_id=token.actor_id),
        )
