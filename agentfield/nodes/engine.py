"""What agents and callers can do with nodes."""

from __future__ import annotations

__all__ = ["Nodes"]

from dataclasses import replace

from agentfield.identity import Caller
from agentfield.nodes.model import Node, Registration, checked_registration
from agentfield.nodes.ports import Addresses, Sign, Store
from agentfield.v1 import errors

MAX_DRAIN = 3600.0


class Nodes:
    """Registrations, and the nodes that follow from them."""

    def __init__(self, *, store: Store, addresses: Addresses, max_payload_bytes: int) -> None:
        self._store = store
        self._addresses = addresses
        self._max_bytes = max_payload_bytes

    async def register(self, registration: Registration, caller: Caller) -> tuple[str, str, Node]:
        """Store what a worker declares; return its registration id, its address and the node.

        Raises InvalidArgument for an address that may not be called.
        """
        checked = checked_registration(registration, max_bytes=self._max_bytes)
        check_may_serve(caller, checked.node_id)
        if checked.base_url:
            urls = (checked.base_url, *checked.other_urls)
            checked = replace(checked, base_url=await self._addresses.choose(urls))
        worker_id = await self._store.register(checked, caller)
        return worker_id, checked.base_url, await self.get(checked.node_id)

    async def touch(self, node_id: str, sign: Sign, caller: Caller) -> int:
        """Note that a worker is alive; return when. Raises RegistrationNotFound."""
        check_may_serve(caller, node_id)
        at = await self._store.touch(node_id, sign, caller)
        if at is None:
            raise errors.RegistrationNotFound(
                f"The registration '{sign.worker_id}' of node '{node_id}' is not known here; "
                "register again."
                if sign.worker_id
                else "node not found",
                metadata={"node_id": node_id, "registration_id": sign.worker_id},
            )
        return at

    async def retire(
        self, node_id: str, worker_id: str, caller: Caller, *, drain: float
    ) -> int | None:
        """Give a worker with an address no more work, and lose what it runs after ``drain`` seconds.

        Without a worker_id: those of the node. Returns when; None if there was no such worker.
        """
        check_may_serve(caller, node_id)
        if not 0 <= drain <= MAX_DRAIN:
            raise errors.InvalidArgument(
                f"A worker may drain for at most {MAX_DRAIN:g} s, not {drain:g} s.",
                metadata={"field": "drain"},
            )
        return await self._store.retire(node_id, worker_id, caller, drain=drain)

    async def get(self, node_id: str) -> Node:
        """Return one node."""
        node = await self._store.get(node_id)
        if node is None:
            raise errors.NodeNotFound(
                f"No node '{node_id}' has registered.", metadata={"node_id": node_id}
            )
        return node

    async def page(self, *, after: str, limit: int, active: bool | None) -> list[Node]:
        """Return nodes by name, from the one after ``after``.

        Only those that take work, or do not, if ``active`` says so.
        """
        return await self._store.page(after=after, limit=limit, active=active)


def check_may_serve(caller: Caller, node_id: str) -> None:
    """Raise PermissionDenied unless the caller may serve the node."""
    if not caller.may_serve(node_id):
        patterns = ", ".join(caller.nodes) or "no node"
        raise errors.PermissionDenied(
            f"This key may not serve node '{node_id}'; it serves: {patterns}.",
            metadata={"node_id": node_id},
        )
