"""What handing out executions needs from the store."""

from __future__ import annotations

__all__ = ["MAX_CLAIM", "Acceptance", "Offer", "Rejoined", "Running", "WorkStore"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from agentfield.executions.model import Execution
from agentfield.identity import Caller

MAX_CLAIM = 256
"""How many executions one worker is given at once; they are in memory until they are sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """An execution as its worker knows it."""

    execution_id: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """A worker says that it has received an execution."""

    worker_id: str
    running: Running
    at: int
    """When it said so, by the store's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A worker that can take executions."""

    worker_id: str
    node_id: str
    instance_id: str
    credit: int
    """How many it is ready for; below zero while it works on lent slots."""
    connection_id: str
    """How it is connected: one that has come back since, by another way, gets nothing by this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejoined:
    """What a worker that connects finds."""

    node_id: str
    instance_id: str
    session_names: frozenset[str] = frozenset()
    """The sessions whose handlers it declares."""
    forget: tuple[Running, ...] = ()
    """What it runs and nobody waits for any more."""
    changed: tuple[Execution, ...] = ()
    """What its coming back decided."""


class WorkStore(Protocol):
    """Claims and workers on disk. A write that returned is there."""

    async def see_off_gone(self) -> None:
        """Note that the workers of replicas whose lease has run out are disconnected since then."""

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
        """Take a worker in, at a replica, and settle what it was given before.

        Raises RegistrationNotFound, PermissionDenied.
        """

    async def claim(self, offers: Sequence[Offer]) -> list[Execution]:
        """Claim queued executions for these workers and return them with their inputs.

        At most MAX_CLAIM for each worker, and only of functions that it declares.
        """

    async def accept(self, acceptances: Sequence[Acceptance]) -> list[Execution]:
        """Note that workers have received what they were given; return what changed."""

    async def release(self, unsent: Sequence[Running]) -> list[Execution]:
        """Queue again what was claimed and never sent; return what changed."""

    async def drain(self, worker_id: str, unsent: Sequence[Running]) -> list[Execution]:
        """Note that a worker wants no more work, and release what it was not sent."""

    async def disconnect(
        self, worker_id: str, connection_id: str, *, unsent: Sequence[Running], for_good: bool
    ) -> list[Execution]:
        """Note that a connection is over; return the executions that changed.

        What was not sent is released in any case; the rest counts only for the worker's newest
        connection. For good: its registration is forgotten and what it runs is lost at once.
        """

    async def deregister(
        self, node_id: str, worker_id: str, *, unsent: Sequence[Running], caller: Caller
    ) -> list[Execution] | None:
        """Forget a worker of a node and lose what it runs; None if there is no such worker.

        Raises PermissionDenied.
        """

    async def active(self, worker_ids: Sequence[str]) -> frozenset[str]:
        """Return the ids of the unfinished executions that these workers have."""

    async def handled(self, session_ids: Sequence[str]) -> Mapping[str, int]:
        """Return the current attempts of those of the sessions whose handlers run."""

    async def give_up(self, *, grace: float) -> list[Execution]:
        """Lose what workers had that have been gone for ``grace`` seconds; return it."""

    async def forget(self, *, lease: float) -> None:
        """Forget registrations that nobody has used for ``lease`` seconds."""
