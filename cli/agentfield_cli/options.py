"""What every command that asks the control plane has in common."""

from __future__ import annotations

__all__ = ["ApiKey", "Output", "Server", "link", "run"]

import asyncio
import os
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated

import typer

from agentfield_cli.formats import Format

if TYPE_CHECKING:
    from agentfield_cli.link import Link

Server = Annotated[
    str | None,
    typer.Option(
        "-s",
        "--server",
        metavar="HOST:PORT",
        help="Where the control plane is; grpcs://HOST:PORT is TLS.",
    ),
]
ApiKey = Annotated[
    str | None, typer.Option("-k", "--api-key", metavar="KEY", help="The key to show it.")
]
Output = Annotated[
    Format | None,
    typer.Option(
        "-o",
        "--output",
        help="How to write the data; text is for people. Otherwise: text on a terminal, json in a "
        "pipe.",
    ),
]


def link(context: typer.Context, server: str | None, api_key: str | None) -> Link:
    """Return the way to the control plane: options after a command win over those before it."""
    from agentfield_cli.link import Link

    before = context.find_root().params
    return Link(server=server or before["server"], api_key=api_key or before["api_key"])


def run(work: Coroutine[None, None, None]) -> None:
    """Run one command to its end. Raises KeyboardInterrupt for Ctrl-C."""
    from agentfield_cli.interrupts import woken_by_signals

    try:
        with asyncio.Runner() as runner, woken_by_signals(runner.get_loop()):
            runner.run(work)
    except BrokenPipeError:
        # Whoever reads our output has seen enough. What is still buffered goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
