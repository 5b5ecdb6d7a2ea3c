"""Many sessions at once: at which rate of turns what a handler adds has doubled."""

from __future__ import annotations

__all__ = ["measure"]

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from random import Random
from statistics import median

from bench.measure import columns, three
from bench.processes import processor, tells
from bench.provider import SCRIPT, Provider, an_offer, at_provider
from bench.servers import Addresses, connected, control_plane, simulator, voice_agent
from bench.sessions import Sessions
from bench.turn import bare, led, turns

SESSIONS = 50
RATES = (10, 20, 40, 80, 120, 160)
"""Turns per second, of all sessions together."""
SECONDS = 2.0
SETTLE = 0.3
TITLE = f"load: turns over {SESSIONS} sessions at once, as in turn; each rate for {SECONDS} s"


async def measure() -> str:
    """Return the table; the calls of the yardstick wait while those of the sessions speak."""
    async with (
        simulator(SCRIPT) as simulated,
        control_plane(provider=simulated.http) as plane,
        voice_agent(plane.grpc) as agent,
        connected(plane.grpc) as channel,
        at_provider(simulated.http) as provider,
        AsyncExitStack() as stack,
    ):
        sessions, sdp = Sessions(channel), await an_offer()
        ours = [await led(sessions, sdp) for _ in range(SESSIONS)]
        through = [call_id for _, call_id in ours]
        plain = [await stack.enter_async_context(bare(provider, sdp)) for _ in ours]
        processes = (plane, agent) if tells() else ()
        found = []
        for rate in (RATES[0], *RATES):
            yardstick = await _spoken(provider, plain, rate)
            before = _used(processes)
            own = await _spoken(provider, through, rate)
            used = [b - a for a, b in zip(before, _used(processes), strict=True)]
            found.append((yardstick, own, [ms / round(rate * SECONDS) for ms in used]))
        for session_id, _ in ours:
            await sessions.end(session_id)
    return "\n".join([TITLE, *columns(_rows(found[1:]))])


def _used(processes: Sequence[Addresses]) -> list[float]:
    return [processor(process) * 1000 for process in processes]


def _rows(found: Sequence[tuple[float, float, Sequence[float]]]) -> list[tuple[str, ...]]:
    """Return the rows of the table; the ratios are those of what is added to the lowest rate's."""
    least = found[0][1] - found[0][0]
    head = ("turns /s", "a bare sideband, ms", "a handler's say, ms", "added ms", "ratio")
    rows: list[tuple[str, ...]] = [(*head, "processor ms a turn: control plane, agent")]
    for rate, (yardstick, own, used) in zip(RATES, found, strict=True):
        added = own - yardstick
        ratio = "yardstick" if rate == RATES[0] else three(added / least)
        spent = ", ".join(map(three, used))
        rows.append((str(rate), three(yardstick), three(own), three(added), ratio, spent))
    return rows


async def _spoken(provider: Provider, calls: Sequence[str], rate: int) -> float:
    """Have callers speak at a rate, in their order; return the median in milliseconds."""
    after = await provider.mark()
    loop = asyncio.get_running_loop()
    began, count = loop.time(), round(rate * SECONDS)
    # At even steps, what one turn leaves behind would meet the next one at the same point always.
    chance = Random(rate)  # noqa: S311 - the same for both
    moments = sorted(chance.uniform(0, SECONDS) for _ in range(count))
    async with asyncio.TaskGroup() as tasks:
        for number, moment in enumerate(moments):
            await asyncio.sleep(began + moment - loop.time())
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
