"""ExecuteAsync over REST against the same over gRPC."""

from __future__ import annotations

__all__ = ["measure"]

import aiohttp

from bench.calls import INPUT, execute_async, subject
from bench.measure import interleaved, table
from bench.servers import connected, control_plane
from bench.worker import register

TITLE = "rest: ExecuteAsync through the gateway in the control plane's process, and over gRPC"
BODY = b'{"input": ' + INPUT + b"}"
HEADERS = {"Content-Type": "application/json"}


async def measure() -> str:
    """Return the table."""
    async with (
        control_plane(http=True) as plane,
        connected(plane.grpc) as channel,
        aiohttp.ClientSession(f"http://{plane.http}", headers=HEADERS) as session,
    ):
        await register(channel, "nobody")

        async def post() -> None:
            async with session.post("/api/v1/execute/async/nobody.echo", data=BODY) as answer:
                answer.raise_for_status()
                await answer.read()

        subjects = [
            each
            for concurrency in (1, 32)
            for each in (
                subject("gRPC", execute_async(channel, "nobody.echo"), concurrency),
                subject("REST", post, concurrency, yardstick="gRPC"),
            )
        ]
        return table(TITLE, subjects, await interleaved(subjects, rounds=5))
