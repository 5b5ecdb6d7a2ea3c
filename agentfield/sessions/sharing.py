"""What several control planes on one database need from the store to share their sessions."""

from __future__ import annotations

__all__ = [
    "CommandRow",
    "CommandRows",
    "FollowRole",
    "Following",
    "Replicas",
    "Unowned",
    "Verdict",
]

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from agentfield.sessions.model import Session


class Unowned(Exception):
    """What was to be stored for a session is not: another replica has taken it over."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"Session '{session_id}' is not owned here any more; nothing was stored.")
        self.session_id = session_id


class FollowRole(StrEnum):
    """As what somebody follows a session."""

    HANDLER = "handler"
    """An attempt of its handler, by HandleSession."""
    CLIENT = "client"
    """Its client: a watch that was opened with the session's token."""
    READER = "reader"
    """Anybody else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """That a session is followed, by one or more streams of a replica."""

    session_id: str
    role: FollowRole
    attempt: int = 0
    """Of the handler."""


class Replicas(Protocol):
    """Leases, and what they cover. A replica whose lease has run out is gone.

    A write that returned is on disk.
    """

    async def join(self, replica_id: str, *, lease: float, alone: bool) -> None:
        """Give a replica a lease of so many seconds.

        ``alone``: no other process can use this database. Then the lease has no end, and those of
        earlier processes are over.
        """

    async def renew(self, replica_id: str, *, lease: float) -> bool:
        """Prolong a lease; False if it has run out: then it stays so."""

    async def leave(self, replica_id: str) -> None:
        """End a lease: others may go on with what it covered at once."""

    async def take(self, replica_id: str, *, limit: int) -> list[Session]:
        """Make a replica the owner of sessions that have none, and return them.

        They are those whose owner is gone, or has been given them by another replica and is this
        one, and that have not ended, or whose root execution or provider calls have not. Each gets
        the next ``owner_epoch``. A replica without a lease gets none.
        """

    async def cancelled(self, replica_id: str) -> list[str]:
        """Return the sessions of an owner that go on although their root execution does not."""

    async def able(self, node_id: str, name: str) -> list[str]:
        """Return the replicas with a connected worker that declares a session and seems to have room.

        The one with the most room comes first.
        """

    async def follow(
        self, replica_id: str, *, begun: Collection[Following], over: Collection[Following]
    ) -> None:
        """Note what streams of a replica follow now, and do not follow any more."""

    async def followed(self, replica_id: str) -> frozenset[Following]:
        """Return how the sessions of an owner are followed from other replicas."""

    async def forget(self) -> None:
        """Remove leases that ended long ago, and what is left of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRow:
    """A command that waits for who can do it."""

    command_id: str
    session_id: str
    kind: str
    payload: bytes
    """JSON, see ``commandjson``."""
    replica_id: str = ""
    """Who is asked; empty: the owner of the session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How far a command has come."""

    result: bytes | None
    """JSON; None: nobody has done it yet."""
    is_over: bool
    """Its session has ended."""
    is_reachable: bool
    """The replica that was asked by its id is there; always so for one that was not."""


class CommandRows(Protocol):
    """Commands on their way from one replica to another."""

    async def put(self, row: CommandRow, *, lasts: float) -> None:
        """Store a command, to be kept for so many seconds; again it changes nothing."""

    async def waiting(self, replica_id: str, *, limit: int) -> Sequence[CommandRow]:
        """Return what a replica is asked to do, the oldest first."""

    async def answer(self, command_id: str, result: bytes) -> None:
        """Store what came of a command; the first answer counts."""

    async def verdict(self, command_id: str) -> Verdict | None:
        """Return how far a command has come; None: it is not kept any more."""

    async def forget(self) -> None:
        """Remove what is kept no longer."""
