"""What live sessions without media hold in memory, and what they cost while nothing happens."""

from __future__ import annotations

__all__ = ["measure"]

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from bench.measure import columns, three
from bench.processes import processor, resident, tells
from bench.provider import SCRIPT, an_offer
from bench.servers import (
    Addresses,
    connected,
    control_plane,
    empty_server,
    simulator,
    stream_reader,
    voice_agent,
)
from bench.sessions import Sessions

SIZES = (50, 200, 400)
"""How many there are when memory is read; the first are to warm up."""
AT_ONCE = 8
IDLE_SECONDS = 5.0
TITLE = f"memory: resident, for each further one from {SIZES[0]} to {SIZES[-1]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Growth:
    name: str
    kilobytes: Sequence[float]
    """Of the process, at each of the sizes."""
    cpu: float | None = None
    """Seconds of processor time that one of them takes in a second of silence."""

    def each(self, first: int, last: int) -> float:
        """Return kilobytes for each of those between two sizes."""
        added = self.kilobytes[last] - self.kilobytes[first]
        return added / (SIZES[last] - SIZES[first])


async def measure() -> str:
    """Return the table."""
    if not tells():
        return f"{TITLE}: needs /proc"
    streams, readers = await _streams()
    server, agent = await _sessions()
    rows = [("process", "KiB each", "between sizes", "ratio", "idle, ms of processor /s")]
    for growth, yardstick in (
        (streams, None),
        (server, streams),
        (readers, None),
        (agent, readers),
    ):
        rows.append(_row(growth, yardstick))
    return "\n".join([TITLE, *columns(rows)])


def _row(growth: _Growth, yardstick: _Growth | None) -> tuple[str, str, str, str, str]:
    steps = [growth.each(n, n + 1) for n in range(len(SIZES) - 1)]
    whole = growth.each(0, -1)
    ratio = "yardstick" if yardstick is None else three(whole / yardstick.each(0, -1))
    cpu = "" if growth.cpu is None else three(growth.cpu * 1000)
    return (growth.name, three(whole), f"{three(min(steps))}-{three(max(steps))}", ratio, cpu)


async def _streams() -> tuple[_Growth, _Growth]:
    """Measure streams that only are open, at both ends."""
    server: list[float] = []
    reader: list[float] = []
    for size in SIZES:
        async with empty_server() as empty, stream_reader(empty.grpc, size) as reading:
            server.append(resident(empty))
            reader.append(resident(reading))
    return (
        _Growth(name="server, an open stream", kilobytes=server),
        _Growth(name="client, an open stream", kilobytes=reader),
    )


async def _sessions() -> tuple[_Growth, _Growth]:
    """Measure live sessions with a handler each, at the control plane and at the agent."""
    processes: list[Addresses] = []
    kilobytes: list[list[float]] = []
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(simulator(SCRIPT))
        plane = await stack.enter_async_context(control_plane(provider=provider.http))
        processes += [plane, await stack.enter_async_context(voice_agent(plane.grpc))]
        sessions = Sessions(await stack.enter_async_context(connected(plane.grpc)))
        ids: list[str] = []
        live = partial(_live, sessions, await an_offer(), ids)
        for size in SIZES:
            await _at_once([live] * (size - len(ids)))
            kilobytes.append([resident(each) for each in processes])
        before = [processor(each) for each in processes]
        await asyncio.sleep(IDLE_SECONDS)
        idle = [
            (processor(each) - earlier) / IDLE_SECONDS / len(ids)
            for each, earlier in zip(processes, before, strict=True)
        ]
        await _at_once([partial(sessions.end, each) for each in ids])
    names = ("control plane, a live session", "agent, a handler")
    server, agent = (
        _Growth(name=name, kilobytes=[one[at] for one in kilobytes], cpu=idle[at])
        for at, name in enumerate(names)
    )
    return server, agent


async def _live(sessions: Sessions, sdp: str, ids: list[str]) -> None:
    session_id = (await sessions.start("voice.led")).session_id
    async with sessions.watched(session_id) as live:
        await sessions.offer(session_id, sdp)
        await live
    ids.append(session_id)


async def _at_once(calls: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Make calls, a few at a time."""
    waiting = list(calls)

    async def one_after_the_other() -> None:
        while waiting:
            await waiting.pop()()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(one_after_the_other())
