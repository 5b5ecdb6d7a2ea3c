"""``af session talk``, as the command line has it."""

from __future__ import annotations

__all__ = ["talk"]

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from agentfield_cli.exits import Exit
from agentfield_cli.formats import Format
from agentfield_cli.options import ApiKey, Server, link, run

_EXTRAS = {"aiortc": "talk", "av": "talk", "miniaudio": "microphone"}


Whom = Annotated[
    str,
    typer.Argument(
        metavar="TARGET|SESSION_ID", help="node.session, or a session that was started."
    ),
]
Speech = Annotated[
    list[Path] | None,
    typer.Option(
        "--wav",
        metavar="FILE",
        help="What the caller says; again for what comes next. Without it, you speak.",
    ),
]
Recording = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Record the agent, as WAV.")
]
Pause = Annotated[
    float | None,
    typer.Option(
        min=0,
        metavar="SECONDS",
        help="Say the next so long after the one before, answered or not: to interrupt.",
    ),
]
Patience = Annotated[
    float, typer.Option(min=1, metavar="SECONDS", help="How long an answer may take.")
]
Headphones = Annotated[
    bool, typer.Option("--headphones", help="You wear some: you can interrupt the agent.")
]
Model = Annotated[str, typer.Option(metavar="NAME", help="Not the declared model.")]
Voice = Annotated[str, typer.Option(metavar="NAME", help="Not the declared voice.")]
Metadata = Annotated[
    str | None, typer.Option(metavar="JSON|@FILE|-", help="Facts for the handler, a JSON object.")
]
Output = Annotated[
    Format, typer.Option("-o", "--output", help="How to write the events; text is for people.")
]


def talk(
    context: typer.Context,
    whom: Whom,
    *,
    speech: Speech = None,
    recording: Recording = None,
    pause: Pause = None,
    patience: Patience = 30.0,
    headphones: Headphones = False,
    model: Model = "",
    voice: Voice = "",
    metadata: Metadata = None,
    output: Output = Format.TEXT,
    server: Server = None,
    api_key: ApiKey = None,
) -> None:
    """Call a session's agent: say what is in WAV files, or speak yourself; then hang up."""
    with _extras():
        from agentfield_cli import session
        from agentfield_cli.talk import running

        plan = running.planned(
            speech=speech or [],
            recording=recording,
            pause=pause,
            patience=patience,
            headphones=headphones,
        )
        fields = {"model": model, "voice": voice}
        joins = "." not in whom
        if joins and (any(fields.values()) or metadata is not None):
            raise typer.BadParameter("a session that was started has its model, voice and metadata")
        session_ = whom if joins else session.starting({"target": whom, **fields}, metadata)
        run(running.talk(link(context, server, api_key), output, session_, plan))


@contextmanager
def _extras() -> Iterator[None]:
    """Name the extra that what is missing belongs to."""
    try:
        yield
    except ModuleNotFoundError as missing:
        extra = _EXTRAS.get(missing.name or "")
        if extra is None:
            raise
        print(
            f'error: this needs an extra: pip install "agentfield-sessions[{extra}]"',
            file=sys.stderr,
        )
        raise typer.Exit(Exit.USAGE) from None
