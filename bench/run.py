"""Measure, side by side: ``python bench/run.py [name...]``, all without a name.

Everything runs on this machine's loopback. TMPDIR chooses the disk that the databases are on.
"""

from __future__ import annotations

import asyncio
import os
import platform
import signal
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

import grpc

from bench import (
    attach,
    burst,
    databases,
    growth,
    load,
    memory,
    mind,
    offer,
    page,
    replicas,
    rest,
    restart,
    round_trip,
    speech,
    store,
    tracing,
    turn,
    unary,
    voice,
    workflow,
)

BENCHMARKS = {
    "unary": unary.measure,
    "rest": rest.measure,
    "round_trip": round_trip.measure,
    "store": store.measure,
    "databases": databases.measure,
    "workflow": workflow.measure,
    "burst": burst.measure,
    "offer": offer.measure,
    "page": page.measure,
    "attach": attach.measure,
    "restart": restart.measure,
    "replicas": replicas.measure,
    "turn": turn.measure,
    "load": load.measure,
    "speech": speech.measure,
    "memory": memory.measure,
    "mind": mind.measure,
    "voice": voice.measure,
    "growth": growth.measure,
    "tracing": tracing.measure,
}
PATIENCE = 180.0
"""Seconds after which a benchmark is given up; one of them speaks."""


def machine() -> str:
    """Return what the figures were measured on."""
    return (
        f"{_cpu()}, {os.cpu_count()} cores; Python {platform.python_version()}, "
        f"grpcio {grpc.__version__}, SQLite {sqlite3.sqlite_version}"
    )


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


async def main(names: Sequence[str]) -> None:
    """Run the named benchmarks and print their tables."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    print(machine())
    for name in names:
        async with asyncio.timeout(PATIENCE):
            print(f"\n{await BENCHMARKS[name]()}", flush=True)


if __name__ == "__main__":
    unknown = set(sys.argv[1:]) - set(BENCHMARKS)
    if unknown:
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    asyncio.run(main(sys.argv[1:] or list(BENCHMARKS)))
