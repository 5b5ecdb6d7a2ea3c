"""The WebSocket side: sidebands of calls, and sessions of their own."""

from __future__ import annotations

__all__ = ["Socket", "beta_refused", "refuse_on", "speaks_beta"]

import asyncio
import json

from aiohttp import WSMsgType, web

from agentfield.simulator.call import Call
from agentfield.simulator.effects import Json
from agentfield.simulator.ids import new_id
from agentfield.simulator.journal import Journal
from agentfield.simulator.refusals import Refused

_WAITING = 10_000
_REFUSED = 4000


class Socket:
    """A WebSocket as a connection of a call."""

    def __init__(self, name: str, request: web.Request, socket: web.WebSocketResponse) -> None:
        self.name = name
        self._request = request
        self._socket = socket
        self._waiting: asyncio.Queue[Json | int] = asyncio.Queue(_WAITING)

    def send(self, event: Json) -> None:
        """Send an event soon; someone who does not read them is broken off."""
        self._put(event)

    def close(self, code: int) -> None:
        """Close once everything has been sent."""
        self._put(code)

    def abort(self) -> None:
        """Break the connection off."""
        if self._request.transport is not None:
            self._request.transport.abort()

    async def serve(self, call: Call, *, greet: bool) -> None:
        """Take part in the call until one side closes."""
        call.attach(self, greet=greet)
        try:
            async with asyncio.TaskGroup() as tasks:
                writer = tasks.create_task(self._write(), name=f"write to {self.name}")
                async for message in self._socket:
                    if message.type is WSMsgType.TEXT:
                        call.receive(message.data, self)
                writer.cancel()
        finally:
            call.detach(self)

    async def _write(self) -> None:
        while True:
            match await self._waiting.get():
                case int() as code:
                    await self._socket.close(code=code)
                    return
                case event:
                    try:
                        await self._socket.send_str(json.dumps(event))
                    except ConnectionError:
                        return

    def _put(self, item: Json | int) -> None:
        try:
            self._waiting.put_nowait(item)
        except asyncio.QueueFull:
            self.abort()


def speaks_beta(request: web.Request) -> bool:
    """Return whether a client asks for the protocol that is no longer spoken."""
    protocols = request.headers.get("Sec-WebSocket-Protocol", "")
    return "OpenAI-Beta" in request.headers or "openai-beta.realtime-v1" in protocols


def beta_refused() -> Refused:
    """Refuse the protocol that is no longer spoken."""
    return Refused(
        "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API.",
        code="beta_api_shape_disabled",
    )


async def refuse_on(
    socket: web.WebSocketResponse, refused: Refused, *, name: str, journal: Journal
) -> None:
    """Send an error and close."""
    error = refused.body() | {"event_id": None}
    event = {"type": "error", "event_id": new_id("event"), "error": error}
    journal.add("sent", name, event)
    await socket.send_str(json.dumps(event))
    reason = f"{refused.kind}.{refused.code}"
    await socket.close(code=_REFUSED, message=reason.encode())
