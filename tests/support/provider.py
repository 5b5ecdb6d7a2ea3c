"""The adapter for OpenAI Realtime over WebRTC, beside the simulator and beside worse servers."""

from __future__ import annotations

__all__ = ["CONFIGURATION", "KEY", "Ear", "adapter_for", "beside", "request", "standing"]

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import aiohttp
from aiohttp import web

from agentfield.providers.openai_realtime import OpenAIRealtime
from agentfield.providers.profiles import PROFILES
from agentfield.sessions.provider import (
    CallLink,
    Configuration,
    Configured,
    OfferRequest,
    ProviderEvent,
    ToolSpec,
)
from agentfield.simulator import Script, Simulator, running
from agentfield.simulator.caller import Caller, calling
from agentfield.simulator.conformance import violations

T = TypeVar("T", bound=ProviderEvent)

KEY = "sk-very-secret"
OFFER = b"v=0\r\n"
CONFIGURATION = Configuration(
    model="gpt-realtime-2",
    voice="marin",
    instructions="Be brief.",
    modalities=("audio",),
    tools=(ToolSpec(name="weather", description="", input_schema={"type": "object"}),),
    turn_detection={
        "type": "server_vad",
        "silence_duration_ms": 200,
        "create_response": False,
        "interrupt_response": True,
    },
    transcription={"model": "gpt-4o-mini-transcribe"},
)


def request(sdp: bytes = OFFER) -> OfferRequest:
    return OfferRequest(sdp=sdp, configuration=CONFIGURATION, safety_identifier="somebody")


class Ear:
    """What was told over a link so far."""

    def __init__(self, link: CallLink) -> None:
        self.link = link
        self.events: list[ProviderEvent] = []
        self._coming = link.events()

    async def until(self, kind: type[T], holds: Callable[[T], bool] = bool) -> T:
        """Listen on until something is told, and return it."""
        async with asyncio.timeout(5):
            async for event in self._coming:
                self.events.append(event)
                if isinstance(event, kind) and holds(event):
                    return event
        raise AssertionError(f"no {kind.__name__} before the end: {self.events}")

    async def is_silent(self) -> bool:
        """Return whether nothing more comes."""
        return [event async for event in self._coming] == []

    def heard(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    simulator: Simulator
    adapter: OpenAIRealtime
    taken: list[str]

    async def place(self, caller: Caller) -> str:
        """Place a call by the adapter and return its id."""

        async def take(call_id: str) -> None:
            self.taken.append(call_id)

        answer = await self.adapter.offer(request((await caller.offer()).encode()), take)
        await caller.take(answer.answer_sdp.decode())
        return self.taken[-1]

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[Caller, Ear, str]]:
        """Place a call, with media flowing, and listen to it."""
        async with calling(data_channel=False) as caller:
            call_id = await self.place(caller)
            async with self.adapter.attach(call_id, CONFIGURATION) as link:
                ear = Ear(link)
                assert await ear.until(Configured) == Configured(matches=True)
                await caller.hears_silence()
                yield caller, ear, call_id


def adapter_for(base_url: str, http: aiohttp.ClientSession, **profile: Any) -> OpenAIRealtime:
    return OpenAIRealtime(
        profile=replace(PROFILES[0], **profile), base_url=base_url, key=KEY, http=http
    )


@asynccontextmanager
async def standing(script: Script, **profile: Any) -> AsyncIterator[Stand]:
    async with running(script=script, api_key=KEY) as simulator, aiohttp.ClientSession() as http:
        adapter = adapter_for(simulator.base_url, http, **profile)
        yield Stand(simulator=simulator, adapter=adapter, taken=[])
    assert violations(simulator.journal.entries()) == []


@asynccontextmanager
async def beside(
    offer: Callable[[web.Request], Awaitable[web.StreamResponse]], **profile: Any
) -> AsyncIterator[OpenAIRealtime]:
    """Stand beside a server that answers offers in a way of its own."""
    app = web.Application()
    app.router.add_post("/v1/realtime/calls", offer)
    app.router.add_get("/v1/realtime", offer)
    app.router.add_post("/v1/realtime/calls/{id}/hangup", offer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with aiohttp.ClientSession() as http:
            port = runner.addresses[0][1]
            yield adapter_for(f"http://127.0.0.1:{port}/v1/", http, **profile)
    finally:
        await runner.cleanup()
