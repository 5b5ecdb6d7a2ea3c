"""The simulator over real WebRTC, with its sideband."""

from __future__ import annotations

__all__ = ["attached", "connected", "hang_up", "place", "simulated"]

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from agentfield.simulator import Script, Simulator, running
from agentfield.simulator.caller import Caller, calling
from agentfield.simulator.conformance import violations

KEY = {"Authorization": "Bearer sk-test"}
SESSION: dict[str, Any] = {
    "type": "realtime",
    "model": "gpt-realtime",
    "audio": {
        "input": {
            "transcription": {"model": "gpt-4o-mini-transcribe"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 200},
        }
    },
}


class Sideband:
    """A server's view of the call."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.events: list[dict[str, Any]] = []

    async def send(self, kind: str, **fields: Any) -> None:
        await self.socket.send_json({"type": kind, **fields})

    async def until(self, kind: str) -> dict[str, Any]:
        """Read on until an event comes, and return it."""
        async with asyncio.timeout(5):
            while True:
                event = await self.socket.receive_json()
                self.events.append(event)
                if event["type"] == kind:
                    return dict(event)

    async def is_closed(self) -> aiohttp.WSMsgType:
        """Read to the end of the connection and return how it ended."""
        async with asyncio.timeout(5):
            async for message in self.socket:
                self.events.append(message.json())
        return (
            aiohttp.WSMsgType.CLOSE if self.socket.close_code == 1000 else aiohttp.WSMsgType.ERROR
        )


@asynccontextmanager
async def simulated(script: Script) -> AsyncIterator[tuple[Simulator, aiohttp.ClientSession]]:
    async with running(script=script) as simulator, aiohttp.ClientSession(headers=KEY) as http:
        yield simulator, http
    assert violations(simulator.journal.entries()) == []


async def place(
    http: aiohttp.ClientSession, simulator: Simulator, caller: Caller, **session: Any
) -> str:
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field("sdp", await caller.offer(), content_type="application/sdp")
    form.add_field("session", json.dumps(SESSION | session), content_type="application/json")
    async with http.post(f"{simulator.base_url}/realtime/calls", data=form) as response:
        assert response.status == 201, await response.text()
        await caller.take(await response.text())
        return response.headers["Location"].rsplit("/", 1)[-1]


@asynccontextmanager
async def attached(
    http: aiohttp.ClientSession, simulator: Simulator, call_id: str
) -> AsyncIterator[Sideband]:
    async with http.ws_connect(f"{simulator.base_url}/realtime?call_id={call_id}") as socket:
        yield Sideband(socket)


@asynccontextmanager
async def connected(
    http: aiohttp.ClientSession, simulator: Simulator, *, data_channel: bool = True
) -> AsyncIterator[tuple[Caller, Sideband, str]]:
    """Place a call, with media flowing and a sideband attached."""
    async with calling(data_channel=data_channel) as caller:
        call_id = await place(http, simulator, caller)
        async with attached(http, simulator, call_id) as sideband:
            await caller.hears_silence()
            yield caller, sideband, call_id


async def hang_up(http: aiohttp.ClientSession, simulator: Simulator, call_id: str) -> int:
    url = f"{simulator.base_url}/realtime/calls/{call_id}/hangup"
    async with http.post(url) as response:
        if response.status != 200:
            assert (await response.json())["error"]["code"] == "call_id_not_found"
        return response.status
