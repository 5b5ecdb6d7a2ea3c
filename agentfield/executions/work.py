"""What handing out executions needs from the store."""

from __future__ import annotations

__all__ = ["Offer", "Rejoined", "Running", "WorkStore"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from agentfield.executions.model import Execution
from agentfield.identity import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """An execution as its worker knows it."""

    execution_id: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A worker that can take executions."""

    worker_id: str
    node_id: str
    instance_id: str
    functions: tuple[str, ...]
    credit: int
    """How many it is ready for; below zero while it works on lent slots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejoined:
    """What a worker that connects finds."""

    node_id: str
    instance_id: str
    functions: tuple[str, ...]
    forget: tuple[Running, ...] = ()
    """What it runs and nobody waits for any more."""
    changed: tuple[Execution, ...] = ()
    """What its coming back decided."""


class WorkStore(Protocol):
    """Claims and workers on disk. A write that returned is there."""

    async def start_over(self) -> None:
        """Note that no worker is connected: this process has just started."""

    async def connect(
        self, worker_id: str, max_executions: int, running: Sequence[Running], caller: Caller
    ) -> Rejoined:
        """Take a worker in and settle what it was given before.

        Raises RegistrationNotFound, PermissionDenied.
        """

    async def node_of(self, worker_id: str) -> str | None:
        """Return the node of a registered worker."""

    async def claim(self, offers: Sequence[Offer]) -> list[Execution]:
        """Claim queued executions for these workers and return them with their inputs."""

    async def accept(self, running: Sequence[Running]) -> list[Execution]:
        """Note that workers have received these; return those that changed."""

    async def release(self, unsent: Sequence[Running]) -> list[Execution]:
        """Queue again what was claimed and never sent; return what changed."""

    async def drain(self, worker_id: str) -> None:
        """Note that a worker wants no more work."""

    async def disconnect(
        self, worker_id: str, *, unsent: Sequence[Running], for_good: bool
    ) -> list[Execution]:
        """Note that a worker's stream is gone; return the executions that changed.

        For good: its registration is forgotten and what it runs is lost at once.
        """

    async def give_up(self, *, grace: float) -> list[Execution]:
        """Lose what workers had that have been gone for ``grace`` seconds; return it."""

    async def forget(self, *, lease: float) -> None:
        """Forget registrations that nobody has used for ``lease`` seconds."""
