"""From the start of a control plane that was killed until its calls are attached to again."""

from __future__ import annotations

__all__ = ["measure"]

import os
import signal
import tempfile
import time
from pathlib import Path

from bench.measure import columns, three
from bench.provider import SCRIPT, an_offer
from bench.servers import connected, control_plane, simulator, voice_agent
from bench.sessions import Sessions

CALLS = (20,)
ROUNDS = 3
TITLE = "restart: from the start of the process after a kill until its calls are live again"
HEAD = ("calls", "until it is ready", "the first is live", "the last is live (min-max)")


async def measure() -> str:
    """Return the table, in milliseconds: medians of the rounds."""
    rows = [HEAD]
    for calls in CALLS:
        rounds = sorted([await _round(calls) for _ in range(ROUNDS)], key=lambda each: each[2])
        ready, first, last = rounds[len(rounds) // 2]
        spread = f"{three(last)} ({three(rounds[0][2])}-{three(rounds[-1][2])})"
        rows.append((str(calls), three(ready), three(first), spread))
    return "\n".join([TITLE, *columns(rows)])


async def _round(calls: int) -> tuple[float, float, float]:
    """Return milliseconds from the start: ready, the first call live, the last."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        async with simulator(SCRIPT) as simulated:
            started = await _left_alone(data, simulated.http, calls)
            began_at = time.time()
            async with (
                control_plane(data, provider=simulated.http) as plane,
                connected(plane.grpc) as channel,
            ):
                ready, sessions = time.time(), Sessions(channel)
                at = [await sessions.live_again(each, began_at) for each in started]
                for session_id in started:
                    await sessions.end(session_id)
    return (ready - began_at) * 1000, (min(at) - began_at) * 1000, (max(at) - began_at) * 1000


async def _left_alone(data: Path, provider: str, calls: int) -> list[str]:
    """Place calls with a control plane, kill it, and return their sessions."""
    sdp = await an_offer()
    async with control_plane(data, provider=provider) as plane:
        async with voice_agent(plane.grpc), connected(plane.grpc) as channel:
            sessions = Sessions(channel)
            started = [await _placed(sessions, sdp) for _ in range(calls)]
        os.kill(plane.pid, signal.SIGKILL)
    return started


async def _placed(sessions: Sessions, sdp: str) -> str:
    session_id = (await sessions.start("voice.model")).session_id
    async with sessions.watched(session_id) as live:
        await sessions.offer(session_id, sdp)
        await live
    return session_id
