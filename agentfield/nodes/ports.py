"""What nodes need from the rest of the house."""

from __future__ import annotations

__all__ = ["Addresses", "Sign", "Store"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from agentfield.identity import Caller
from agentfield.nodes.model import Node, Registration


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """A sign of life."""

    worker_id: str = ""
    instance_id: str = ""
    """Without a worker_id: who gives it. Without both: the node's newest worker with an address."""
    status: str = ""
    """What it says of itself, if anything."""


class Addresses(Protocol):
    """Which addresses workers may be called at."""

    async def choose(self, urls: Sequence[str]) -> str:
        """Return the first of these that may be called. Raises InvalidArgument for the first."""


class Store(Protocol):
    """Where nodes and workers are kept."""

    async def register(self, registration: Registration, caller: Caller) -> str:
        """Store a worker's declaration and return its registration id.

        The first caller that registers a node owns it. Raises PermissionDenied for another one.
        """

    async def get(self, node_id: str) -> Node | None: ...

    async def page(self, *, after: str, limit: int, active: bool | None) -> list[Node]:
        """Return nodes by name; only those that take work, or do not, if ``active`` says so."""

    async def ids(self) -> list[str]: ...

    async def touch(self, node_id: str, sign: Sign, caller: Caller) -> int | None:
        """Note that a worker is alive; return when, None if it is not known.

        Raises PermissionDenied.
        """

    async def retire(
        self, node_id: str, worker_id: str, caller: Caller, *, drain: float
    ) -> int | None:
        """Give workers with an address no more work, and lose what they run after a while.

        Returns when, None if there was none. Raises PermissionDenied.
        """
