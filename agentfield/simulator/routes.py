"""The provider's HTTP interface: calls, WebSockets, client secrets."""

from __future__ import annotations

__all__ = ["provider_routes"]

import asyncio
import itertools
from typing import Any

from aiohttp import web

from agentfield.simulator.keys import Key
from agentfield.simulator.peers import Peer, checked_offer
from agentfield.simulator.provider import Provider, call_not_found
from agentfield.simulator.refusals import Refused, missing
from agentfield.simulator.requests import BODY
from agentfield.simulator.sockets import Socket, beta_refused, refuse_on, speaks_beta

_LARGEST_MESSAGE = 16 * 1024 * 1024
"""Bytes; the provider takes 15 MiB of audio in an event."""


def provider_routes(provider: Provider, tasks: asyncio.TaskGroup) -> list[web.RouteDef]:
    """Return the routes that a client of the real provider knows."""
    routes = _Routes(provider, tasks)
    return [
        web.post("/v1/realtime/calls", routes.offer),
        web.post("/v1/realtime/calls/{call_id}/hangup", routes.hang_up),
        web.post("/v1/realtime/client_secrets", routes.client_secret),
        web.get("/v1/realtime", routes.connect),
    ]


class _Routes:
    def __init__(self, provider: Provider, tasks: asyncio.TaskGroup) -> None:
        self._provider = provider
        self._tasks = tasks
        self._numbers = itertools.count(1)

    async def offer(self, request: web.Request) -> web.Response:
        key = self._key(request)
        if key.expired:
            raise _expired()
        await self._provider.trip("offer")
        sdp, session = _parts(request[BODY])
        model = request.query.get("model")
        offer = checked_offer(sdp)
        call = self._provider.open(session, key, model=model, media=True, tasks=self._tasks)
        peer = Peer(tasks=self._tasks, tells_of_leaving=self._provider.script.tells_of_leaving)
        answer = await peer.answer(offer, call, self._name("data-channel"))
        location = f"/v1/realtime/calls/{call.id}"
        return web.Response(
            status=201, text=answer, content_type="text/plain", headers={"Location": location}
        )

    async def hang_up(self, request: web.Request) -> web.Response:
        key = self._key(request)
        await self._provider.trip("hangup")
        self._provider.find(request.match_info["call_id"], key).end()
        return web.Response()

    async def client_secret(self, request: web.Request) -> web.Response:
        key = self._key(request)
        await self._provider.trip("client_secret")
        body = request[BODY]
        return web.json_response(
            self._provider.keys.issue(key, body if isinstance(body, dict) else {})
        )

    async def connect(self, request: web.Request) -> web.StreamResponse:
        key = self._key(request)
        call_id = request.query.get("call_id")
        await self._provider.trip("websocket" if call_id is None else "sideband")
        if call_id is None:
            return await self._session(request, key)
        call = self._provider.find(call_id, key)
        if call.age_ms < self._provider.script.sideband_after_ms:
            raise call_not_found()
        socket = await _accepted(request)
        await Socket(self._name("sideband"), request, socket).serve(call, greet=False)
        return socket

    async def _session(self, request: web.Request, key: Key) -> web.StreamResponse:
        model = request.query.get("model")
        if model is None and key.session is None:
            raise missing("model")
        name, journal = self._name("websocket"), self._provider.journal
        socket = await _accepted(request)
        if speaks_beta(request):
            await refuse_on(socket, beta_refused(), name=name, journal=journal)
        elif key.expired:
            await refuse_on(socket, _expired(), name=name, journal=journal)
        else:
            call = self._provider.open(None, key, model=model, media=False, tasks=self._tasks)
            await Socket(name, request, socket).serve(call, greet=True)
            call.end()
        return socket

    def _key(self, request: web.Request) -> Key:
        return self._provider.keys.check(
            request.headers.get("Authorization", ""),
            request.headers.get("Sec-WebSocket-Protocol", ""),
        )

    def _name(self, kind: str) -> str:
        return f"{kind}-{next(self._numbers)}"


async def _accepted(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(protocols=("realtime",), max_msg_size=_LARGEST_MESSAGE)
    await socket.prepare(request)
    return socket


def _parts(body: Any) -> tuple[str, dict[str, Any] | None]:
    if isinstance(body, str):
        return body, None
    if not isinstance(body, dict) or not isinstance(body.get("sdp"), str):
        raise missing("sdp")
    session = body.get("session")
    if session is not None and not isinstance(session, dict):
        raise Refused("Invalid 'session': not a JSON object.", code="invalid_json", param="session")
    return body["sdp"], session


def _expired() -> Refused:
    return Refused("Ephemeral token expired", code="token_expired", status=401)
