"""``af node``: which agents there are."""

from __future__ import annotations

__all__ = ["app"]

from typing import Annotated

import typer

from agentfield_cli.options import ApiKey, Output, Server, link, run

app = typer.Typer(help="Look at the nodes that agents serve.", no_args_is_help=True)


@app.command("list")
def list_nodes(
    context: typer.Context,
    *,
    output: Output = None,
    server: Server = None,
    api_key: ApiKey = None,
) -> None:
    """List all nodes."""
    from agentfield_cli import node

    run(node.list_nodes(link(context, server, api_key), output))


@app.command()
def show(
    context: typer.Context,
    node_id: Annotated[str, typer.Argument(metavar="NODE", help="Its name.")],
    *,
    output: Output = None,
    server: Server = None,
    api_key: ApiKey = None,
) -> None:
    """Show one node with its functions and workers."""
    from agentfield_cli import node

    run(node.show(link(context, server, api_key), output, node_id))
