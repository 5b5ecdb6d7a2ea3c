"""What nodes need from the rest of the house."""

from __future__ import annotations

__all__ = ["Store"]

from typing import Protocol

from agentfield.identity import Caller
from agentfield.nodes.model import Node, Registration


class Store(Protocol):
    """Where nodes and workers are kept."""

    async def register(self, registration: Registration, caller: Caller) -> str:
        """Store a worker's declaration and return its registration id.

        The first caller that registers a node owns it. Raises PermissionDenied for another one.
        """

    async def get(self, node_id: str) -> Node | None: ...

    async def page(self, *, after: str, limit: int) -> list[Node]: ...

    async def ids(self) -> list[str]: ...

    async def touch(self, node_id: str, worker_id: str, caller: Caller) -> bool:
        """Note that a worker is alive; return whether it is known. Raises PermissionDenied."""
