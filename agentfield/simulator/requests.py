"""What all requests go through: clients' are read and written down, errors get a body."""

from __future__ import annotations

__all__ = ["BODY", "every_request"]

import itertools
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from agentfield.simulator.ids import new_id
from agentfield.simulator.journal import Journal
from agentfield.simulator.refusals import Refused

BODY: web.RequestKey[Any] = web.RequestKey("body", object)
"""Under this key a request of a client carries what its body says: an object, or a text."""

_KEYS = {"authorization", "api-key", "x-api-key", "sec-websocket-protocol", "cookie"}
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Location, X-Request-Id",
}
_PREFLIGHT = _CORS | {
    "Access-Control-Allow-Headers": "*, Authorization",
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
}


def every_request(journal: Journal) -> Middleware:
    """Return the middleware; control requests are not written down."""
    numbers = itertools.count(1)

    @web.middleware
    async def handle(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        name = f"http-{next(numbers)}"
        written = not request.path.startswith("/simulator/")
        if request.method == "OPTIONS" and written:
            return web.Response(headers=_PREFLIGHT)
        try:
            if written:
                request[BODY] = await _body(request)
                journal.add("received", name, _described(request))
            response = await handler(request)
        except Refused as refused:
            response = _error(refused)
        except web.HTTPException as error:
            response = _error(_unknown_url(request, error.status))
        if response.prepared:
            return response
        response.headers["X-Request-Id"] = new_id("req")
        if written:
            response.headers.update(_CORS)
            journal.add("sent", name, _answer(response))
        return response

    return handle


def _unknown_url(request: web.Request, status: int) -> Refused:
    message = f"Unknown request URL: {request.method} {request.path}."
    return Refused(message, code="unknown_url", status=status)


def _error(refused: Refused) -> web.Response:
    headers = {} if refused.retry_after is None else {"Retry-After": str(refused.retry_after)}
    body = {"error": refused.body()}
    return web.json_response(body, status=refused.status, headers=headers)


async def _body(request: web.Request) -> Any:
    if request.content_type == "multipart/form-data":
        form = await request.post()
        return {name: _field(name, value) for name, value in form.items()}
    text = await request.text()
    if request.content_type != "application/json" or not text:
        return text
    return _json(text, request.path)


def _field(name: str, value: object) -> Any:
    # A part without a file name is bytes or a text, depending on its content type.
    if isinstance(value, web.FileField):
        value = value.file.read()
    text = value.decode(errors="replace") if isinstance(value, bytes | bytearray) else str(value)
    return _json(text, name) if name == "session" else text


def _json(text: str, param: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Refused("The body is not valid JSON.", code="invalid_json", param=param) from error


def _described(request: web.Request) -> dict[str, Any]:
    headers = {k.lower(): v for k, v in request.headers.items() if k.lower() not in _KEYS}
    return {
        "method": request.method,
        "path": request.path_qs,
        "headers": headers,
        "body": request[BODY],
    }


def _answer(response: web.StreamResponse) -> dict[str, Any]:
    body = response.text if isinstance(response, web.Response) else None
    # A client secret is a key.
    return {
        "status": response.status,
        "headers": {k.lower(): v for k, v in response.headers.items()},
        "body": None if body and '"ek_' in body else body,
    }
