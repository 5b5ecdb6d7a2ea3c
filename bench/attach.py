"""From the provider's answer to a call that is configured, and known to be."""

from __future__ import annotations

__all__ = ["measure"]

import asyncio
import time
from collections.abc import Sequence

from bench.disk import COMMIT, Disk, open_disk
from bench.provider import SCRIPT, Entry, Provider, an_offer, at_provider, configure
from bench.servers import connected, control_plane, simulator, voice_agent
from bench.sessions import Sessions
from bench.times import Round, Row, times_table

ROUNDS, CALLS = 6, 12
PAUSE = 0.03
BARE, BARE_KNOWN = "a bare client: configured", "a bare client: knows it"
OURS, OURS_KNOWN = "the control plane: configured", "the control plane: a watcher knows it"
TITLE = "attach: from the provider's answer to an offer until session.updated on the sideband"
ROWS = (
    Row(name=BARE),
    Row(name=OURS, yardstick=BARE),
    Row(name="until the sideband asks for it", yardstick=OURS, part=True),
    Row(name="the provider and the way", yardstick=OURS, part=True),
    Row(name=BARE_KNOWN),
    Row(name=OURS_KNOWN, yardstick=BARE_KNOWN),
    Row(name=COMMIT, yardstick=BARE),
)
PARTS = tuple(row.name for row in ROWS if row.part)


async def measure() -> str:
    """Return the table."""
    async with (
        simulator(SCRIPT) as simulated,
        control_plane(provider=simulated.http) as plane,
        voice_agent(plane.grpc),
        connected(plane.grpc) as channel,
        at_provider(simulated.http) as provider,
    ):
        sessions, sdp = Sessions(channel), await an_offer()
        with open_disk() as own:
            rounds = [await _round(provider, sessions, sdp, own) for _ in range(ROUNDS)]
    return times_table(TITLE, ROWS, rounds[1:])


async def _round(provider: Provider, sessions: Sessions, sdp: str, own: Disk) -> Round:
    """Place calls in turns; those of the first round warm up."""
    times: dict[str, list[float]] = {row.name: [] for row in ROWS}
    for number in range(CALLS):
        for bare in (number % 2 == 0, number % 2 == 1):
            after = await provider.mark()
            known = await (_bare(provider, sdp) if bare else _ours(sessions, sdp))
            answered, asked, updated = _marks(await provider.journal(after=after))
            times[BARE if bare else OURS].append(updated - answered)
            times[BARE_KNOWN if bare else OURS_KNOWN].append(known - answered)
            if not bare:
                times[PARTS[0]].append(asked - answered)
                times[PARTS[1]].append(updated - asked)
            await asyncio.sleep(PAUSE)
        times[COMMIT].append(own.commit())
    return times


async def _bare(provider: Provider, sdp: str) -> float:
    call_id = await provider.offer(sdp)
    async with provider.attached(call_id) as sideband:
        await configure(sideband)
        known = time.time()
        await provider.hang_up(call_id)
    return known


async def _ours(sessions: Sessions, sdp: str) -> float:
    session_id = (await sessions.start("voice.model")).session_id
    async with sessions.watched(session_id) as live:
        await sessions.offer(session_id, sdp)
        known = await live
    await sessions.end(session_id)
    return known


def _marks(entries: Sequence[Entry]) -> tuple[float, float, float]:
    """Return when the offer was answered, the first update was received, the last one confirmed."""
    answered = [one["at"] for one in entries if one["body"].get("status") == 201]
    asked = [one["at"] for one in entries if one["body"].get("type") == "session.update"]
    updated = [one["at"] for one in entries if one["body"].get("type") == "session.updated"]
    return answered[0], asked[0], updated[-1]
