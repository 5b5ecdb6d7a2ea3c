"""``af execution``: run functions, and see what became of it."""

from __future__ import annotations

__all__ = ["app"]

from typing import Annotated

import typer

from agentfield_cli.options import ApiKey, Output, Server, link, run

app = typer.Typer(help="Run functions of agents and follow them.", no_args_is_help=True)

ExecutionId = Annotated[str, typer.Argument(metavar="EXECUTION_ID", help="The execution.")]


@app.command("run")
def run_target(
    context: typer.Context,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="node.function")],
    *,
    source: Annotated[
        str | None,
        typer.Option(
            "--in",
            metavar="JSON|@FILE|-",
            help="The arguments, a JSON object: as text, from a file, or from stdin.",
        ),
    ] = None,
    background: Annotated[
        bool, typer.Option("--async", help="Do not wait for the result.")
    ] = False,
    timeout: Annotated[
        str | None, typer.Option(metavar="SECONDS", help="How long it may take.")
    ] = None,
    request_id: Annotated[
        str, typer.Option(metavar="ID", help="Makes the command repeatable: the same id joins.")
    ] = "",
    output: Output = None,
    server: Server = None,
    api_key: ApiKey = None,
) -> None:
    """Run a function and wait for its result."""
    from agentfield_cli import execution

    request = execution.order(
        target=target,
        source=source,
        background=background,
        timeout=timeout,
        request_id=request_id,
    )
    run(execution.run(link(context, server, api_key), output, request))


@app.command()
def show(
    context: typer.Context,
    execution_id: ExecutionId,
    *,
    dag: Annotated[
        bool, typer.Option("--dag", help="Draw the workflow it belongs to as a tree.")
    ] = False,
    output: Output = None,
    server: Server = None,
    api_key: ApiKey = None,
) -> None:
    """Show one execution with its input and result."""
    from agentfield_cli import execution

    act = execution.show_workflow if dag else execution.show
    run(act(link(context, server, api_key), output, execution_id))


@app.command()
def watch(
    context: typer.Context,
    execution_id: ExecutionId,
    *,
    output: Output = None,
    server: Server = None,
    api_key: ApiKey = None,
) -> None:
    """Follow an execution until it ends. Exits with 0 only if it succeeded."""
    from agentfield_cli import execution

    run(execution.watch(link(context, server, api_key), output, execution_id))


@app.command("list")
def list_executions(
    context: typer.Context,
    *,
    run_id: Annotated[str, typer.Option("--run", metavar="RUN_ID", help="Of this run.")] = "",
    node_id: Annotated[str, typer.Option("--node", metavar="NODE", help="Of this node.")] = "",
    target: Annotated[str, typer.Option(metavar="TARGET", help="Of this node.function.")] = "",
    status: Annotated[str, typer.Option(metavar="STATUS", help="In this state.")] = "",
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="At most this many.")] = 100,
    output: Output = None,
    server: Server = None,
    api_key: ApiKey = None,
) -> None:
    """List executions, the newest first."""
    from agentfield_cli import execution

    conditions = {"run_id": run_id, "node_id": node_id, "target": target, "status": status}
    run(execution.list_executions(link(context, server, api_key), output, conditions, limit))


@app.command()
def cancel(
    context: typer.Context,
    execution_id: ExecutionId,
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for people.")] = "",
    output: Output = None,
    server: Server = None,
    api_key: ApiKey = None,
) -> None:
    """Cancel an execution and everything it called that has not finished."""
    from agentfield_cli import execution

    run(execution.cancel(link(context, server, api_key), output, execution_id, reason))
