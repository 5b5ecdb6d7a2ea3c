"""Routes under /simulator, for whoever directs the simulator from another process."""

from __future__ import annotations

__all__ = ["control_routes"]

import dataclasses
import ipaddress
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from agentfield.simulator.provider import Provider
from agentfield.simulator.refusals import Refused, unknown_parameter, unsupported
from agentfield.simulator.scriptjson import heard_from_json, script_from_json

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def control_routes(provider: Provider) -> list[web.RouteDef]:
    """Return the routes; they only serve this machine."""
    control = _Control(provider)
    return [
        web.put("/simulator/script", _local(control.set_script)),
        web.get("/simulator/journal", _local(control.journal)),
        web.get("/simulator/calls", _local(control.calls)),
        web.post("/simulator/calls/{call_id}/speech", _local(control.speech)),
        web.post("/simulator/calls/{call_id}/drop", _local(control.drop)),
    ]


class _Control:
    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def set_script(self, request: web.Request) -> web.Response:
        self._provider.script = script_from_json(await _members(request))
        return web.Response(status=204)

    async def journal(self, request: web.Request) -> web.Response:
        after = request.query.get("after", "0")
        if not after.isdecimal():
            raise Refused("Invalid 'after': not a number.", code="invalid_value", param="after")
        entries = self._provider.journal.entries(
            request.query.get("type"),
            direction=request.query.get("direction"),
            connection=request.query.get("connection", ""),
            call_id=request.query.get("call_id"),
            after=int(after),
        )
        return web.json_response({"entries": [dataclasses.asdict(entry) for entry in entries]})

    async def calls(self, _request: web.Request) -> web.Response:
        calls = [
            {
                "id": call.id,
                "ended": call.ended.is_set(),
                "connections": [connection.name for connection in call.connections],
            }
            for call in self._provider.calls.values()
        ]
        return web.json_response({"calls": calls})

    async def speech(self, request: web.Request) -> web.Response:
        body = await _members(request, "heard", "lasts_ms")
        heard = heard_from_json(body["heard"]) if "heard" in body else None
        lasts_ms = body.get("lasts_ms", 300)
        if not isinstance(lasts_ms, int):
            raise Refused(
                "Invalid 'lasts_ms': not a number.", code="invalid_type", param="lasts_ms"
            )
        self._provider.running(request.match_info["call_id"]).speech(heard, lasts_ms)
        return web.Response(status=202)

    async def drop(self, request: web.Request) -> web.Response:
        call = self._provider.running(request.match_info["call_id"])
        body = await _members(request, "what")
        match body.get("what", "sidebands"):
            case "sidebands":
                call.drop_sidebands()
            case "call":
                call.end()
            case other:
                raise unsupported("what", other, ["sidebands", "call"])
        return web.Response(status=204)


async def _members(request: web.Request, *known: str) -> dict[str, Any]:
    """Return the JSON object that a body is, whatever its content type says.

    If members are named, it may have no others, and may be missing.
    """
    text = await request.read()
    try:
        body = json.loads(text) if text or not known else {}
    except ValueError as error:
        raise Refused(f"The body is not valid JSON: {error}.", code="invalid_json") from error
    if not isinstance(body, dict):
        raise Refused("The body is not a JSON object.", code="invalid_type")
    for name in body if known else ():
        if name not in known:
            raise unknown_parameter(name)
    return body


def _local(handler: _Handler) -> _Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        if request.remote is None or not ipaddress.ip_address(request.remote).is_loopback:
            raise Refused("Only this machine may direct the simulator.", code=None, status=403)
        return await handler(request)

    return handle
