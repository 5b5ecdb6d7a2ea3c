"""Whose key registered a node: it alone handles the node's sessions."""

from __future__ import annotations

__all__ = ["NodeOwners"]

from agentfield.identity import Caller
from agentfield.nodes.ports import Store
from agentfield.sessions.model import Session
from agentfield.v1 import errors


class NodeOwners:
    """Remembers owners: once a node is somebody's, it stays theirs."""

    def __init__(self, nodes: Store) -> None:
        self._nodes = nodes
        self._known: dict[str, str] = {}

    async def check(self, caller: Caller, session: Session) -> None:
        """Raise PermissionDenied unless the caller may act for the session's node."""
        owner = "" if caller.is_admin else await self._owner(session.node_id)
        if not caller.may_act_for(session.node_id, owner):
            raise errors.PermissionDenied(
                f"This key did not register node '{session.node_id}' and cannot handle its "
                "sessions.",
                metadata={"node_id": session.node_id},
            )

    async def _owner(self, node_id: str) -> str:
        if node_id not in self._known:
            node = await self._nodes.get(node_id)
            if node is None or not node.created_by:
                return ""
            self._known[node_id] = node.created_by
        return self._known[node_id]
