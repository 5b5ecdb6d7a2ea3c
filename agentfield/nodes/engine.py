"""What agents and callers can do with nodes."""

from __future__ import annotations

__all__ = ["Nodes"]

from agentfield.identity import Caller
from agentfield.nodes.model import Node, Registration, checked_registration
from agentfield.nodes.ports import Store
from agentfield.v1 import errors


class Nodes:
    """Registrations, and the nodes that follow from them."""

    def __init__(self, *, store: Store, max_payload_bytes: int) -> None:
        self._store = store
        self._max_bytes = max_payload_bytes

    async def register(self, registration: Registration, caller: Caller) -> tuple[str, Node]:
        """Store what a worker declares; return its registration id and the node."""
        checked = checked_registration(registration, max_bytes=self._max_bytes)
        check_may_serve(caller, checked.node_id)
        worker_id = await self._store.register(checked, caller)
        return worker_id, await self.get(checked.node_id)

    async def touch(self, node_id: str, worker_id: str, caller: Caller) -> None:
        """Note that a worker is alive."""
        check_may_serve(caller, node_id)
        if not await self._store.touch(node_id, worker_id, caller):
            raise errors.RegistrationNotFound(
                f"The registration '{worker_id}' of node '{node_id}' is not known here; "
                "register again.",
                metadata={"registration_id": worker_id},
            )

    async def get(self, node_id: str) -> Node:
        """Return one node."""
        node = await self._store.get(node_id)
        if node is None:
            raise errors.NodeNotFound(
                f"No node '{node_id}' has registered.", metadata={"node_id": node_id}
            )
        return node

    async def page(self, *, after: str, limit: int) -> list[Node]:
        """Return nodes by name, from the one after ``after``."""
        return await self._store.page(after=after, limit=limit)


def check_may_serve(caller: Caller, node_id: str) -> None:
    """Raise PermissionDenied unless the caller may serve the node."""
    if not caller.may_serve(node_id):
        patterns = ", ".join(caller.nodes) or "no node"
        raise errors.PermissionDenied(
            f"This key may not serve node '{node_id}'; it serves: {patterns}.",
            metadata={"node_id": node_id},
        )
