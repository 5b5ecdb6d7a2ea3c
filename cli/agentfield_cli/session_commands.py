"""``af session``: start realtime sessions, take part in them, and see what became of them."""

from __future__ import annotations

__all__ = ["app"]

from typing import Annotated

import typer

from agentfield_cli.formats import TextFormat
from agentfield_cli.options import ApiKey, Output, Server, link, run
from agentfield_cli.talk_command import talk

app = typer.Typer(help="Start realtime sessions and follow them.", no_args_is_help=True)
app.command()(talk)

SessionId = Annotated[str, typer.Argument(metavar="SESSION_ID", help="The session.")]
Provider = Annotated[
    str, typer.Option(metavar="NAME", help="Must be the declared one: nothing is switched.")
]
Transport = Annotated[
    str, typer.Option(metavar="NAME", help="Must be the declared one: nothing is switched.")
]


@app.command()
def start(
    context: typer.Context,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="node.session")],
    *,
    provider: Provider = "",
    transport: Transport = "",
    model: Annotated[str, typer.Option(metavar="NAME", help="Not the declared model.")] = "",
    voice: Annotated[str, typer.Option(metavar="NAME", help="Not the declared voice.")] = "",
    metadata: Annotated[
        str | None,
        typer.Option(metavar="JSON|@FILE|-", help="Facts for the handler, a JSON object."),
    ] = None,
    output: Output = None,
    server: Server = None,
    api_key: ApiKey = None,
) -> None:
    """Start a session. The answer has its id, its token, and where to send the offer."""
    from agentfield_cli import session

    fields = {
        "target": target,
        "provider": provider,
        "transport": transport,
        "model": model,
        "voice": voice,
    }
    request = session.starting(fields, metadata)
    run(session.start(link(context, server, api_key), output, request))


@app.command()
def offer(
    context: typer.Context,
    session_id: SessionId,
    *,
    provider: Provider = "",
    transport: Transport = "",
    target: Annotated[
        str, typer.Option(metavar="TARGET", help="Must be the session's node.session.")
    ] = "",
    sdp: Annotated[
        str, typer.Option(metavar="TEXT|@FILE|-", help="The offer, taken as it is.")
    ] = "-",
    output: Annotated[
        TextFormat, typer.Option("-o", "--output", help="raw is the answer, byte for byte.")
    ] = TextFormat.RAW,
    server: Server = None,
    api_key: ApiKey = None,
) -> None:
    """Send a WebRTC offer to the session's provider, and write the answer."""
    from agentfield_cli import session_live

    fields = {
        "session_id": session_id,
        "provider": provider,
        "transport": transport,
        "target": target,
    }
    request = session_live.offering(fields, sdp)
    run(session_live.offer(link(context, server, api_key), output, request))


@app.command()
def tool(
    context: typer.Context,
    session_id: SessionId,
    name: Annotated[str, typer.Argument(metavar="TOOL", help="A tool of the session.")],
    *,
    target: Annotated[
        str, typer.Option(metavar="TARGET", help="node.function; TOOL is a mere label then.")
    ] = "",
    source: Annotated[
        str | None,
        typer.Option("--in", metavar="JSON|@FILE|-", help="The arguments, a JSON object."),
    ] = None,
    call_id: Annotated[
        str, typer.Option(metavar="ID", help="A call of the model: the provider's id of it.")
    ] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the result.")] = False,
    output: Output = None,
    server: Server = None,
    api_key: ApiKey = None,
) -> None:
    """Run one of the session's tools."""
    from agentfield_cli import session_live

    fields = {"session_id": session_id, "tool": name, "target": target, "call_id": call_id}
    request = session_live.calling(fields, source)
    run(session_live.call(link(context, server, api_key), output, request, wait=wait))


@app.command()
def workflows(
    context: typer.Context,
    session_id: SessionId,
    *,
    dag: Annotated[bool, typer.Option("--dag", help="Draw each of them as a tree.")] = False,
    output: Output = None,
    server: Server = None,
    api_key: ApiKey = None,
) -> None:
    """List the workflows of a session."""
    from agentfield_cli import session

    act = session.draw_workflows if dag else session.list_workflows
    run(act(link(context, server, api_key), output, session_id))


@app.command("list")
def list_sessions(
    context: typer.Context,
    *,
    target: Annotated[str, typer.Option(metavar="TARGET", help="Of this node.session.")] = "",
    state: Annotated[str, typer.Option(metavar="STATE", help="In this state.")] = "",
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="At most this many.")] = 100,
    output: Output = None,
    server: Server = None,
    api_key: ApiKey = None,
) -> None:
    """List sessions, the newest first."""
    from agentfield_cli import session

    conditions = {"target": target, "state": state}
    run(session.list_sessions(link(context, server, api_key), output, conditions, limit))


@app.command()
def show(
    context: typer.Context,
    session_id: SessionId,
    *,
    output: Output = None,
    server: Server = None,
    api_key: ApiKey = None,
) -> None:
    """Show one session with what was said."""
    from agentfield_cli import session

    run(session.show(link(context, server, api_key), output, session_id))


@app.command()
def watch(
    context: typer.Context,
    session_id: SessionId,
    *,
    after: Annotated[
        int, typer.Option(min=0, metavar="N", help="Only events after this number.")
    ] = 0,
    output: Output = None,
    server: Server = None,
    api_key: ApiKey = None,
) -> None:
    """Follow what happens in a session until it ends."""
    from agentfield_cli import session_live

    run(session_live.watch(link(context, server, api_key), output, session_id, after))


@app.command()
def end(
    context: typer.Context,
    session_id: SessionId,
    *,
    detail: Annotated[str, typer.Option(metavar="TEXT", help="Why, for people.")] = "",
    output: Output = None,
    server: Server = None,
    api_key: ApiKey = None,
) -> None:
    """End a session."""
    from agentfield_cli import session

    run(session.end(link(context, server, api_key), output, session_id, detail))


@app.command()
def delete(
    context: typer.Context,
    session_id: SessionId,
    *,
    output: Output = None,
    server: Server = None,
    api_key: ApiKey = None,
) -> None:
    """Delete the words, inputs and results of a session that has ended."""
    from agentfield_cli import session

    run(session.delete(link(context, server, api_key), output, session_id))


@app.command("link")
def make_link(
    context: typer.Context,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="node.session")],
    *,
    ttl: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="How long it can be used: 90s, 10m, 1h at most."),
    ] = None,
    uses: Annotated[
        int, typer.Option(min=1, metavar="N", help="How many calls it is good for.")
    ] = 1,
    page: Annotated[
        str,
        typer.Option(
            envvar="AGENTFIELD_SERVER",
            metavar="URL",
            help="Where the gateway is; else where the control plane says.",
        ),
    ] = "",
    output: Annotated[
        TextFormat, typer.Option("-o", "--output", help="raw is the address alone.")
    ] = TextFormat.RAW,
    server: Server = None,
    api_key: ApiKey = None,
) -> None:
    """Print an address where a person can talk to a session in a browser, without a key."""
    from agentfield_cli import session_link

    request = session_link.linking(target, ttl, uses)
    run(session_link.link(link(context, server, api_key), output, request, page))
