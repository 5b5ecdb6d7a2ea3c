"""What taking an SDP offer to the provider adds to the provider's own answer."""

from __future__ import annotations

__all__ = ["measure"]

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

import aiohttp

from agentfield.v1.session_service_pb2 import StartSessionResponse
from bench.disk import COMMIT, Disk, open_disk
from bench.provider import SCRIPT, Provider, an_offer, at_provider
from bench.servers import connected, control_plane, simulator, voice_agent
from bench.sessions import Sessions
from bench.times import Round, Row, times_table

ROUNDS, OFFERS = 6, 12
PAUSE = 0.03
"""Seconds after each offer, so that what it leaves behind does not slow the next one down."""
DIRECT, GRPC, REST = "the provider itself", "RealtimeOffer", "REST"
TITLE = "offer: an SDP offer's answer, from the provider itself and through the control plane"
ROWS = (
    Row(name=DIRECT),
    Row(name=GRPC, yardstick=DIRECT),
    Row(name="until its commit begins", yardstick=GRPC, part=True),
    Row(name="commit, then to the provider", yardstick=GRPC, part=True),
    Row(name="the provider", yardstick=GRPC, part=True),
    Row(name="two commits, then to the client", yardstick=GRPC, part=True),
    Row(name=REST, yardstick=DIRECT),
    Row(name=COMMIT, yardstick=DIRECT),
)
PARTS = tuple(row.name for row in ROWS if row.part)


@dataclass(slots=True, kw_only=True)
class _World:
    provider: Provider
    sessions: Sessions
    gateway: aiohttp.ClientSession
    disk: Disk
    sdp: str
    times: dict[str, list[float]] = field(default_factory=dict)

    def note(self, name: str, value: float) -> None:
        self.times.setdefault(name, []).append(value)


async def measure() -> str:
    """Return the table."""
    sdp = await an_offer()
    async with (
        simulator(SCRIPT) as simulated,
        control_plane(http=True, provider=simulated.http) as plane,
        voice_agent(plane.grpc),
        connected(plane.grpc) as channel,
        at_provider(simulated.http) as provider,
        aiohttp.ClientSession(f"http://{plane.http}") as gateway,
    ):
        with open_disk() as own:
            world = _World(
                provider=provider,
                sessions=Sessions(channel),
                gateway=gateway,
                disk=own,
                sdp=sdp,
            )
            rounds = [await _round(world) for _ in range(ROUNDS)]
    return times_table(TITLE, ROWS, rounds[1:])


async def _round(world: _World) -> Round:
    """Make offers in turns; those of the first round warm up."""
    world.times = {}
    kinds: list[Callable[[], Awaitable[None]]] = [
        partial(_direct, world),
        partial(_session, world, _by_grpc),
        partial(_session, world, _by_rest),
    ]
    for number in range(OFFERS):
        turn = number % len(kinds)
        for kind in (*kinds[turn:], *kinds[:turn]):
            await kind()
            await asyncio.sleep(PAUSE)
        world.note(COMMIT, world.disk.commit())
    return world.times


async def _direct(world: _World) -> None:
    began = time.perf_counter()
    call_id = await world.provider.offer(world.sdp)
    world.note(DIRECT, time.perf_counter() - began)
    await world.provider.hang_up(call_id)


async def _session(
    world: _World, offer: Callable[[_World, StartSessionResponse], Awaitable[None]]
) -> None:
    started = await world.sessions.start("voice.model")
    after = await world.provider.mark()
    async with world.sessions.watched(started.session_id) as live:
        began = time.time()
        await offer(world, started)
        ended = time.time()
        await live
    await world.sessions.end(started.session_id)
    if offer is _by_rest:
        world.note(REST, ended - began)
        return
    world.note(GRPC, ended - began)
    committing = (await world.sessions.times(started.session_id))["session.connecting"][0]
    asked, answered = await _at_provider(world.provider, after)
    marks = (began, committing, asked, answered, ended)
    for name, one, next_ in zip(PARTS, marks[:-1], marks[1:], strict=True):
        world.note(name, next_ - one)


async def _by_grpc(world: _World, started: StartSessionResponse) -> None:
    await world.sessions.offer(started.session_id, world.sdp)


async def _by_rest(world: _World, started: StartSessionResponse) -> None:
    kind = {"Content-Type": "application/sdp"}
    async with world.gateway.post(started.offer_url, data=world.sdp, headers=kind) as answer:
        answer.raise_for_status()
        await answer.read()


async def _at_provider(provider: Provider, after: int) -> tuple[float, float]:
    """Return when the provider got the first offer after an entry, and when it had answered."""
    http = [one for one in await provider.journal(after=after) if one["call_id"] is None]
    asked = next(one for one in http if one["body"].get("path") == "/v1/realtime/calls")
    answered = next(
        one
        for one in http
        if one["connection"] == asked["connection"] and one["direction"] == "sent"
    )
    return asked["at"], answered["at"]
