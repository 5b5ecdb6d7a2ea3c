"""From being ready to being told to stop."""

from __future__ import annotations

__all__ = ["failed", "until_signalled"]

import asyncio
import json
import os
import signal
import sys


async def until_signalled(**addresses: str | None) -> None:
    """Say on stdout, in one line of JSON, that the program is ready, and wait for a signal.

    The first SIGTERM or SIGINT ends the wait, so that the caller drains; a second leaves at once.
    """
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(1)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    print(json.dumps({"event": "ready", **addresses}), flush=True)  # noqa: T201 - for who started it
    await stop.wait()


def failed(error: Exception, code: int) -> int:
    """Tell the person who started the program why it does not run; return the exit code."""
    print(f"error: {error}", file=sys.stderr)  # noqa: T201
    return code
