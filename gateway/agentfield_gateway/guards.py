"""Who may talk to the gateway from a browser: checks of Host and Origin, and CORS.

A page anywhere can make its visitor's browser send requests to addresses only that browser
reaches. Host and Origin tell such requests from those that were meant.
"""

from __future__ import annotations

__all__ = ["Guards"]

import re
from collections.abc import Sequence

from aiohttp import web

from agentfield.process.addresses import split_bind
from agentfield.v1 import errors
from agentfield_gateway.config import GatewayConfig
from agentfield_gateway.incoming import header

_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_REQUEST_HEADERS = (
    "Accept, Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-API-Key, X-Session-ID, "
    "X-Run-ID, X-Workflow-ID, X-Execution-ID, X-Parent-Execution-ID, X-Actor-ID, Traceparent"
)
_RESPONSE_HEADERS = "X-Execution-ID, X-Run-ID, Retry-After"


class Guards:
    """The checks of one gateway."""

    def __init__(self, config: GatewayConfig) -> None:
        bound, _ = split_bind(config.http_bind)
        bound = f"[{bound}]" if ":" in bound else bound
        self._hosts = {host.lower() for host in (*_LOOPBACK, bound, *config.allowed_hosts)}
        self._origins = frozenset(config.cors_origins)

    def check(self, request: web.Request) -> None:
        """Raise HostNotAllowed, OriginNotAllowed, or InvalidArgument without a proper Host."""
        name = _host_name(request)
        if name not in self._hosts and "*" not in self._hosts:
            raise errors.HostNotAllowed(
                f"This gateway does not answer for host '{name}'. If it should, name the host in "
                "AGENTFIELD_ALLOWED_HOSTS.",
                metadata={"host": name},
            )
        origin = header(request.headers, "Origin")
        if origin and not self._allows(request, origin):
            raise errors.OriginNotAllowed(
                f"Pages of origin '{origin}' may not call this gateway. If they should, name the "
                "origin in AGENTFIELD_CORS_ORIGINS.",
                metadata={"origin": origin},
            )

    def is_preflight(self, request: web.Request) -> bool:
        """Return whether a browser asks beforehand what a page may send."""
        return (
            request.method == "OPTIONS"
            and "Origin" in request.headers
            and "Access-Control-Request-Method" in request.headers
        )

    def preflight(self, verbs: Sequence[str]) -> web.Response:
        """Return the answer for a path that has these verbs."""
        return web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": ", ".join(verbs),
                "Access-Control-Allow-Headers": _REQUEST_HEADERS,
                "Access-Control-Max-Age": "600",
            },
        )

    async def add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """Let pages of allowed origins read the answer, whatever it is."""
        origin = request.headers.get("Origin")
        response.headers["Vary"] = "Origin"
        if origin in self._origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = _RESPONSE_HEADERS

    def _allows(self, request: web.Request, origin: str) -> bool:
        own = f"{request.scheme}://{request.headers['Host']}"
        return origin.lower() == own.lower() or origin in self._origins


def _host_name(request: web.Request) -> str:
    match = _HOST.fullmatch(header(request.headers, "Host"))
    if match is None:
        raise errors.InvalidArgument("The request needs one Host header: a name, maybe a port.")
    return match["name"].lower()
