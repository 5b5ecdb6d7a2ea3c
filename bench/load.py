"""Many sessions at once: at which rate of turns what a handler adds has doubled."""

from __future__ import annotations

__all__ = ["measure"]

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from statistics import median

from bench.measure import columns, three
from bench.provider import SCRIPT, Provider, an_offer, at_provider
from bench.servers import connected, control_plane, simulator, voice_agent
from bench.sessions import Sessions
from bench.turn import bare, led, turns

SESSIONS = 50
RATES = (10, 20, 40, 80, 120, 160)
"""Turns per second, of all sessions together."""
SECONDS = 1.5
SETTLE = 0.3
TITLE = f"load: turns over {SESSIONS} sessions at once, as in turn; each rate for {SECONDS} s"


async def measure() -> str:
    """Return the table; the calls of the yardstick wait while those of the sessions speak."""
    async with (
        simulator(SCRIPT) as simulated,
        control_plane(provider=simulated.http) as plane,
        voice_agent(plane.grpc),
        connected(plane.grpc) as channel,
        at_provider(simulated.http) as provider,
        AsyncExitStack() as stack,
    ):
        sessions, sdp = Sessions(channel), await an_offer()
        ours = [await led(sessions, sdp) for _ in range(SESSIONS)]
        through = [call_id for _, call_id in ours]
        plain = [await stack.enter_async_context(bare(provider, sdp)) for _ in ours]
        found = [
            (await _spoken(provider, plain, rate), await _spoken(provider, through, rate))
            for rate in (RATES[0], *RATES)
        ]
        for session_id, _ in ours:
            await sessions.end(session_id)
    return "\n".join([TITLE, *columns(_rows(found[1:]))])


def _rows(found: Sequence[tuple[float, float]]) -> list[tuple[str, ...]]:
    """Return the rows of the table; the ratios are those of what is added to the lowest rate's."""
    added = [own - yardstick for yardstick, own in found]
    rows: list[tuple[str, ...]] = [
        ("turns /s", "a bare sideband, ms", "a handler's say, ms", "added ms", "ratio")
    ]
    for rate, (yardstick, own), more in zip(RATES, found, added, strict=True):
        ratio = three(more / added[0]) if more != added[0] else "yardstick"
        rows.append((str(rate), three(yardstick), three(own), three(more), ratio))
    return rows


async def _spoken(provider: Provider, calls: Sequence[str], rate: int) -> float:
    """Have callers speak at a rate, one after the other; return the median in milliseconds."""
    after = await provider.mark()
    loop = asyncio.get_running_loop()
    began, count = loop.time(), round(rate * SECONDS)
    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            await asyncio.sleep(began + number / rate - loop.time())
            tasks.create_task(provider.speak(calls[number % len(calls)]))
    await asyncio.sleep(SETTLE)
    times = [
        (asked - heard) * 1000
        for call_id in calls[:count]
        for heard, asked in await turns(provider, call_id, after)
    ]
    if len(times) < count:
        raise RuntimeError(f"of {count} turns, {len(times)} were answered")
    return median(times)
