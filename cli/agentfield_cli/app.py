"""The commands of ``af``. What only a running command needs is imported by that command."""

from __future__ import annotations

__all__ = ["app"]

import os
import sys
from typing import Annotated

import typer

from agentfield_cli import execution_commands, node_commands, session_commands

app = typer.Typer(
    name="af",
    help="Run a control plane, and talk to one.",
    epilog="Exit codes: 0 it worked; 1 the command line is wrong; 2 the request is wrong; 3 the "
    "control plane could not be reached, did not allow it or failed, or the execution failed; "
    "130 Ctrl-C.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
)
app.add_typer(execution_commands.app, name="execution")
app.add_typer(node_commands.app, name="node")
app.add_typer(session_commands.app, name="session")

_VERBATIM = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "allow_interspersed_args": False,
    "help_option_names": [],
}


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it
    if wanted:
        from importlib.metadata import version

        print(version("agentfield-sessions"))
        raise typer.Exit


@app.callback()
def options(
    *,
    server: Annotated[
        str,
        typer.Option(
            "-s",
            "--server",
            envvar="AGENTFIELD_GRPC",
            metavar="HOST:PORT",
            help="Where the control plane is; grpcs://HOST:PORT is TLS.",
        ),
    ] = "localhost:8180",
    api_key: Annotated[
        str | None,
        typer.Option(
            "-k",
            "--api-key",
            envvar="AGENTFIELD_API_KEY",
            metavar="KEY",
            help="The key to show it.",
        ),
    ] = None,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Show the version."),
    ] = False,
) -> None:
    """Take the options that stand before a command; its own link reads them."""


@app.command(context_settings=_VERBATIM)
def server(context: typer.Context) -> None:
    """Run the control plane and its gateway on this machine."""
    _become("agentfield", context.args)


@app.command(context_settings=_VERBATIM)
def gateway(context: typer.Context) -> None:
    """Run a gateway alone, for a control plane elsewhere."""
    _become("agentfield_gateway", context.args)


def _become(module: str, flags: list[str]) -> None:
    # -P: the folder we happen to stand in must not provide the module.
    os.execv(sys.executable, [sys.executable, "-P", "-m", module, *flags])  # noqa: S606
