"""Says on stdout when the agent is connected, and drains it on SIGTERM."""

from __future__ import annotations

import asyncio
import signal

from agentfield import Agent


async def serve(app: Agent) -> None:
    """Serve until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with app.serving():
        print("connected", flush=True)  # noqa: T201 - the test waits for it
        await stop.wait()


def run(app: Agent) -> None:
    """Serve until SIGTERM."""
    asyncio.run(serve(app))
