"""Two servers on one database: commands by way of the other one, and calls that change hands.

AGENTFIELD_DATABASE_URL names the PostgreSQL database for it. Nothing is measured without.
"""

from __future__ import annotations

__all__ = ["measure"]

import os
import signal
import time
from statistics import median

from bench.measure import columns, three
from bench.provider import SCRIPT, an_offer
from bench.servers import Addresses, connected, control_plane, simulator, voice_agent
from bench.sessions import Sessions

VARIABLE = "AGENTFIELD_DATABASE_URL"
CALLS = 20
ASKED = 200
TITLE = "replicas: an offer that is repeated, and calls that are taken over (ms)"
HEAD = ("what", "median", "most")


async def measure() -> str:
    """Return the table, in milliseconds."""
    if not os.environ.get(VARIABLE):
        return f"replicas: not measured; {VARIABLE} is to name a PostgreSQL database for it"
    rows: list[tuple[str, ...]] = [HEAD]
    rows += await _commands()
    for name, number in (("SIGTERM", signal.SIGTERM), ("SIGKILL", signal.SIGKILL)):
        rows.append((f"{CALLS} calls live again after {name}", *await _taken_over(number)))
    return "\n".join([TITLE, *columns(rows)])


async def _commands() -> list[tuple[str, ...]]:
    """Repeat an offer, whose answer its owner has in memory, at the owner and elsewhere."""
    variables = {VARIABLE: os.environ[VARIABLE]}
    sdp = await an_offer()
    rows: list[tuple[str, ...]] = []
    async with (
        simulator(SCRIPT) as simulated,
        control_plane(provider=simulated.http, variables=variables) as owner,
        control_plane(provider=simulated.http, variables=variables) as other,
        voice_agent(owner.grpc),
        connected(owner.grpc) as here,
        connected(other.grpc) as there,
    ):
        session_id = await _placed(Sessions(here), sdp)
        for name, channel in (("at its owner", here), ("at the other server", there)):
            sessions = Sessions(channel)
            rows.append((f"the same offer again {name}", *await _asked(sessions, session_id, sdp)))
        await Sessions(here).end(session_id)
    return rows


async def _asked(sessions: Sessions, session_id: str, sdp: str) -> tuple[str, str]:
    took = []
    for _ in range(ASKED):
        began_at = time.perf_counter()
        await sessions.offer(session_id, sdp)
        took.append((time.perf_counter() - began_at) * 1000)
    return three(median(took)), three(max(took))


async def _taken_over(number: signal.Signals) -> tuple[str, str]:
    """Return how long it takes from a signal to the owner until its calls are live elsewhere."""
    variables = {VARIABLE: os.environ[VARIABLE]}
    sdp = await an_offer()
    async with (
        simulator(SCRIPT) as simulated,
        control_plane(provider=simulated.http, variables=variables) as other,
        connected(other.grpc) as channel,
    ):
        async with control_plane(provider=simulated.http, variables=variables) as owner:
            started = await _all_placed(owner, sdp)
            began_at = time.time()
            os.kill(owner.pid, number)
            sessions = Sessions(channel)
            at = [await sessions.live_again(each, began_at) for each in started]
        for session_id in started:
            await sessions.end(session_id)
    took = [(each - began_at) * 1000 for each in at]
    return three(median(took)), three(max(took))


async def _all_placed(owner: Addresses, sdp: str) -> list[str]:
    async with voice_agent(owner.grpc), connected(owner.grpc) as channel:
        sessions = Sessions(channel)
        return [await _placed(sessions, sdp) for _ in range(CALLS)]


async def _placed(sessions: Sessions, sdp: str) -> str:
    session_id = (await sessions.start("voice.model")).session_id
    async with sessions.watched(session_id) as live:
        await sessions.offer(session_id, sdp)
        await live
    return session_id
