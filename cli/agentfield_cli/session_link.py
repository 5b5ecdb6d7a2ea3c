"""What ``af session link`` does: an address that lets a person talk to a session, without a key."""

from __future__ import annotations

__all__ = ["link", "linking", "place_of"]

import re
import sys
from datetime import UTC
from urllib.parse import urlencode, urlsplit

import orjson

from agentfield.contract.json import set_text, to_plain
from agentfield.process.addresses import is_loopback
from agentfield.v1 import errors
from agentfield.v1 import server_service_pb2 as server_pb
from agentfield.v1 import session_service_pb2 as pb
from agentfield_cli.exits import visible
from agentfield_cli.formats import Format, TextFormat, encode
from agentfield_cli.link import Link, ask

_DEFAULT = "http://localhost:8080"
_ANY_HOST = {"0.0.0.0", "::"}  # noqa: S104 - an address to recognise, not to bind
_TTL = re.compile(r"(\d+(?:\.\d+)?)\s*([smh]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


def linking(target: str, ttl: str | None, uses: int) -> pb.CreateClientTokenRequest:
    """Return the request for the link's token. Raises InvalidArgument for what cannot be in it."""
    request = pb.CreateClientTokenRequest(target=target)
    set_text(request, "uses", str(uses))
    if ttl is not None:
        match = _TTL.fullmatch(ttl.strip())
        text = f"{float(match[1]) * _UNITS[match[2]]:.9f}s" if match else ttl
        set_text(request, "ttl", text)
    return request


def place_of(page: str, announced: str, server: str) -> str:
    """Return the address of the page: as it is given, else as the control plane says.

    What listens everywhere is where the control plane is; of none that says nothing of it, the page
    is at the usual place. Raises InvalidArgument for an address that is none.
    """
    if page:
        try:
            parts = urlsplit(page.rstrip("/"))
            given = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        except ValueError:
            given = False
        if not given or parts.query or parts.fragment:
            raise errors.InvalidArgument(
                f"'{page[:256]}' is no address of a gateway: give http://HOST:PORT or "
                "https://HOST:PORT with --page or AGENTFIELD_SERVER.",
                metadata={"field": "page"},
            )
        return page.rstrip("/")
    if not announced:
        return _DEFAULT
    parts = urlsplit(announced)
    if parts.hostname not in _ANY_HOST:
        return announced
    host = urlsplit(server if "://" in server else f"grpc://{server}").hostname or "localhost"
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{parts.port}"


async def link(
    link: Link, output: TextFormat, request: pb.CreateClientTokenRequest, page: str
) -> None:
    """Write the address, and to stderr for how long and how often it is good."""
    async with link.open() as connection:
        announced = ""
        if not page:
            asked = server_pb.GetServerInfoRequest()
            info = await ask(connection, connection.server.GetServerInfo, asked)
            announced = info.http_url
        place = place_of(page, announced, connection.address)
        made = await ask(connection, connection.sessions.CreateClientToken, request)
    # A fragment stays in the browser: no server and no log gets to see it.
    fragment = urlencode({"target": made.target, "start_token": made.token})
    address = f"{place}/#{fragment}"
    if output is TextFormat.RAW:
        print(address)
        _hint(made, place, known=bool(page or announced))
        return
    sys.stdout.buffer.write(
        encode(orjson.dumps({"link": address, **to_plain(made)}), Format(output))
    )
    sys.stdout.flush()


def _hint(made: pb.CreateClientTokenResponse, place: str, *, known: bool) -> None:
    until = made.expires_at.ToDatetime(UTC).astimezone()
    calls = "1 call" if made.uses == 1 else f"{made.uses} calls"
    notes = [
        f"whoever opens it can talk to {visible(made.target)}: until {until:%H:%M:%S}, for {calls}"
    ]
    if not known:
        notes.append(
            f"the control plane serves no page itself; if its gateway is not at {place}, say where: "
            "--page URL, or AGENTFIELD_SERVER"
        )
    parts = urlsplit(place)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        notes.append("browsers give a page the microphone over https:// only, or on this machine")
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
