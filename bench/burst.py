"""Thousands of calls at the same moment."""

from __future__ import annotations

__all__ = ["measure"]

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

import grpc

from bench.calls import execute
from bench.measure import Sample, Subject, interleaved, table
from bench.servers import connected, control_plane, empty_server
from bench.worker import echoing

CALLS = 3000
TITLE = f"burst: {CALLS} Execute calls at once; the latency is that of the last answer"


async def measure() -> str:
    """Return the table."""
    async with (
        control_plane() as plane,
        empty_server() as empty,
        connected(plane.grpc) as channel,
        connected(empty.grpc) as yardstick,
        echoing(plane.grpc, "worker"),
    ):
        subjects = [
            Subject(name="empty handler", run=partial(_burst, execute(yardstick, "worker.echo"))),
            Subject(
                name="Execute",
                run=partial(_burst, execute(channel, "worker.echo")),
                yardstick="empty handler",
            ),
        ]
        return table(TITLE, subjects, await interleaved(subjects, rounds=3))


async def _burst(call: Callable[[], Awaitable[object]]) -> Sample:
    async def arrives() -> bool:
        try:
            await call()
        except grpc.aio.AioRpcError:
            return False
        return True

    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(arrives()) for _ in range(CALLS)]
    seconds = time.perf_counter() - began
    answered = sum(one.result() for one in calls)
    return Sample(answered=answered, asked=CALLS, seconds=seconds, latency=seconds)
