"""What ``af node`` does."""

from __future__ import annotations

__all__ = ["list_nodes", "show"]

from agentfield.v1 import node_service_pb2 as pb
from agentfield_cli.formats import Format
from agentfield_cli.link import Link, all_pages, ask
from agentfield_cli.output import details, emit, table


async def list_nodes(link: Link, output: Format | None) -> None:
    """Write all nodes."""
    async with link.open() as connection:
        found = await all_pages(
            lambda request: ask(connection, connection.nodes.ListNodes, request),
            pb.ListNodesRequest(),
            "nodes",
        )
    emit(
        found,
        output,
        lambda: table(["node_id", "connected", "version", "description"], found.nodes),
    )


async def show(link: Link, output: Format | None, node_id: str) -> None:
    """Write one node."""
    async with link.open() as connection:
        request = pb.GetNodeRequest(node_id=node_id)
        found = await ask(connection, connection.nodes.GetNode, request)
    emit(found.node, output, lambda: details(found.node))
