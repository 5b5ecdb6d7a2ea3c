"""What is kept of executions, sessions and turns on disk, and which files live sessions hold open."""

from __future__ import annotations

__all__ = ["measure"]

import asyncio
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from bench.calls import INPUT, Call, execute
from bench.measure import columns, three
from bench.processes import open_files, tells
from bench.provider import SCRIPT, Provider, an_offer, at_provider
from bench.servers import Addresses, connected, control_plane, simulator, voice_agent
from bench.sessions import Sessions
from bench.turn import CYCLE, led
from bench.worker import echoing

EXECUTIONS, SESSIONS, TURNS = 2000, 60, 10
AT_ONCE = 16
TITLE = f"growth: of the database, for each; inputs and results are of {len(INPUT)} bytes"


async def measure() -> str:
    """Return the table."""
    if not tells():
        return f"{TITLE}: needs /proc"
    with tempfile.TemporaryDirectory() as folder:
        async with (
            simulator(SCRIPT) as simulated,
            control_plane(Path(folder), provider=simulated.http) as plane,
            voice_agent(plane.grpc),
            echoing(plane.grpc, "worker"),
            connected(plane.grpc) as channel,
            at_provider(simulated.http) as provider,
        ):
            database = Path(folder, "agentfield.db")
            execution = await _executions(execute(channel, "worker.echo"), database)
            rows = await _sessions(provider, Sessions(channel), plane, database)
    head = ("what", "KiB on disk", "files the control plane holds open")
    return "\n".join([TITLE, *columns([head, ("an execution", three(execution), ""), *rows])])


async def _executions(call: Call, database: Path) -> float:
    before, left = _kilobytes(database), EXECUTIONS

    async def one_after_the_other() -> None:
        nonlocal left
        while left:
            left -= 1
            await call()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(one_after_the_other())
    return (_kilobytes(database) - before) / EXECUTIONS


async def _sessions(
    provider: Provider, sessions: Sessions, plane: Addresses, database: Path
) -> list[tuple[str, str, str]]:
    sdp = await an_offer()
    ids = [await led(sessions, sdp)]  # the first opens what all share
    files, size = open_files(plane), _kilobytes(database)
    ids += [await led(sessions, sdp) for _ in range(SESSIONS)]
    files, size = open_files(plane) - files, _kilobytes(database) - size
    before = _kilobytes(database)
    for _ in range(TURNS):
        for _, call_id in ids:
            await provider.speak(call_id)
        await asyncio.sleep(CYCLE * 5)
    for session_id, _ in ids:
        await sessions.end(session_id)
    spoken = len(ids) * TURNS
    turn = (_kilobytes(database) - before) / spoken
    return [
        ("a live session", three(size / SESSIONS), three(files / SESSIONS)),
        ("a turn, and a handler's answer to it", three(turn), ""),
    ]


def _kilobytes(database: Path) -> float:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        (pages,), (size,) = (
            connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size")
        )
    return float(pages * size / 1024)
