"""Who is calling, and what that lets them do and see."""

from __future__ import annotations

__all__ = ["ANYONE", "NOBODY", "Caller", "Key", "Keyring", "StartGrant"]

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

ROLES = frozenset({"admin", "agent", "client"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StartGrant:
    """What the holder of a start token may do: start sessions of one target."""

    token_id: str
    target: str
    """``node.session``."""
    actor_id: str
    """For whom the token was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The owner of the key a request came with."""

    name: str
    """The key's name. Empty on a server without keys."""
    roles: frozenset[str]
    nodes: tuple[str, ...] = ()
    """Patterns of the node ids an agent may serve, like ``billing-*``."""
    session_id: str = ""
    """Of the holder of a session's token: that session. The name is its starter's then."""
    start: StartGrant | None = None
    """Of the holder of a start token: what it allows. The name is its maker's then."""

    @property
    def is_session(self) -> bool:
        """Whether this caller has shown a session's token, not a key."""
        return bool(self.session_id)

    @property
    def is_token(self) -> bool:
        """Whether this caller has shown a token, not a key."""
        return self.is_session or self.start is not None

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles

    def may_call(self, roles: frozenset[str]) -> bool:
        """Return whether an rpc that is open to these roles is open to this caller.

        One that is open to every key is not open to a token: an rpc names the tokens it takes.
        """
        if self.is_token:
            return bool(self.roles & roles)
        return self.is_admin or not roles or bool(self.roles & roles)

    def may_serve(self, node_id: str) -> bool:
        """Return whether this caller may register and serve a node."""
        if self.is_admin:
            return True
        return "agent" in self.roles and any(fnmatchcase(node_id, p) for p in self.nodes)

    def may_act_for(self, node_id: str, owner: str) -> bool:
        """Return whether this caller may act for a node that a key of this name registered.

        A node that was registered when the server had no keys belongs to nobody yet.
        """
        return self.is_admin or (self.may_serve(node_id) and owner in {"", self.name})

    def may_see(
        self, *, owners: Iterable[str], node_id: str, session_id: str | None = None
    ) -> bool:
        """Return whether this caller may see something of these owners on this node.

        ``session_id`` is the session it belongs to, if any: a session's token shows nothing else.
        """
        if self.is_token:
            return self.is_session and self.session_id == session_id
        return self.is_admin or self.name in owners or self.may_serve(node_id)


ANYONE = Caller(name="", roles=frozenset({"admin"}))
"""Every caller of a server without keys."""
NOBODY = Caller(name="", roles=frozenset())
"""Every caller until it is known who that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One entry of the key file."""

    sha256: bytes
    """The SHA-256 of the key, which is itself stored nowhere."""
    caller: Caller


class Keyring:
    """The keys a server accepts."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys = tuple(keys)

    def find(self, secret: str) -> Caller | None:
        """Return whose key this is. Takes as long for a wrong key as for a right one."""
        digest = hashlib.sha256(secret.encode()).digest()
        found: Caller | None = None
        for key in self._keys:
            if hmac.compare_digest(key.sha256, digest):
                found = key.caller
        return found

    def has(self, name: str, roles: frozenset[str]) -> bool:
        """Return whether there is a key of this name that may call what is open to these roles."""
        callers = (key.caller for key in self._keys)
        return any(caller.name == name and caller.may_call(roles) for caller in callers)
