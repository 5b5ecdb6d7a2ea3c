"""ExecuteAsync and Execute against an empty handler."""

from __future__ import annotations

__all__ = ["measure"]

from bench.calls import execute, execute_async, subject
from bench.measure import interleaved, table
from bench.servers import connected, control_plane, empty_server
from bench.worker import echoing, register

TITLE = "unary: ExecuteAsync is stored, Execute goes to a worker in the client's process and back"


async def measure() -> str:
    """Return the table. Nobody takes up what ExecuteAsync stores."""
    async with (
        control_plane() as plane,
        empty_server() as empty,
        connected(plane.grpc) as channel,
        connected(empty.grpc) as yardstick,
        echoing(plane.grpc, "worker"),
    ):
        await register(channel, "nobody")
        subjects = [
            each
            for concurrency in (1, 64)
            for each in (
                subject("empty handler", execute(yardstick, "worker.echo"), concurrency),
                subject(
                    "ExecuteAsync",
                    execute_async(channel, "nobody.echo"),
                    concurrency,
                    yardstick="empty handler",
                ),
                subject(
                    "Execute",
                    execute(channel, "worker.echo"),
                    concurrency,
                    yardstick="empty handler",
                ),
            )
        ]
        return table(TITLE, subjects, await interleaved(subjects, rounds=5))
