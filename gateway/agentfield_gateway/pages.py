"""The page: the files of ``console``, as they are in this package.

They hold no data, so they need no credential. What the page shows it asks for by the contract's
routes, with whatever credential it was given.
"""

from __future__ import annotations

__all__ = ["Pages", "keep_for"]

import hashlib
import re
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import PurePosixPath

from aiohttp import web
from aiohttp.helpers import ETag

from agentfield_gateway.forward import Endpoint

_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".ico": "image/x-icon",
    ".js": "text/javascript",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".wasm": "application/wasm",
    ".wav": "audio/wav",
    ".woff2": "font/woff2",
}
_HASHED = re.compile(r".+[.-][0-9a-f]{8,64}\.[a-z0-9]+")
"""A name that changes with what the file holds: ``app.0f3c9a1b.js``."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; media-src 'self' blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Permissions-Policy": "microphone=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Pages:
    """The endpoints of the page: one for each file there is, so that no path leads elsewhere."""

    def __init__(self) -> None:
        self.endpoints: Mapping[str, Endpoint] = dict(_endpoints())


def keep_for(name: str) -> str:
    """Return how long a browser may use a file of this name without asking, as Cache-Control."""
    hashed = _HASHED.fullmatch(name)
    return "public, max-age=31536000, immutable" if hashed else "no-cache"


def _endpoints() -> Iterator[tuple[str, Endpoint]]:
    for file in resources.files(__package__).joinpath("console").iterdir():
        if file.is_file():
            path = "/" if file.name == "index.html" else f"/console/{file.name}"
            yield path, _endpoint(file.name, file.read_bytes())


def _endpoint(name: str, body: bytes) -> Endpoint:
    kind = _TYPES[PurePosixPath(name).suffix]
    charset = "utf-8" if kind.startswith("text/") else None
    mark = hashlib.sha256(body).hexdigest()[:32]
    headers = {**_HEADERS, "Cache-Control": keep_for(name)}

    async def respond(request: web.Request, _: Mapping[str, str]) -> web.StreamResponse:
        if _has_it(request, mark):
            answer = web.Response(status=304, headers=headers)
        else:
            answer = web.Response(body=body, content_type=kind, charset=charset, headers=headers)
        answer.etag = mark
        return answer

    return respond


def _has_it(request: web.Request, mark: str) -> bool:
    known: tuple[ETag, ...] = request.if_none_match or ()
    return any(etag.value in {mark, "*"} for etag in known)
