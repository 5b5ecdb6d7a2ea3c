"""A node that notes in a journal what it runs, and whose functions wait for a gate to open."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from common import run

from agentfield import Agent

app = Agent("gated", max_executions=int(sys.argv[1]))
JOURNAL, GATE = Path(os.environ["JOURNAL"]), Path(os.environ["GATE"])


def note(name: str) -> None:
    """Add a line to the journal; short appends are whole."""
    with JOURNAL.open("a") as journal:
        journal.write(f"{name}\n")


async def through_the_gate() -> None:
    """Wait until the gate is open."""
    while not GATE.exists():
        await asyncio.sleep(0.01)


@app.skill()
async def once(name: str) -> str:
    """Wait for the gate; must never run twice."""
    note(name)
    await through_the_gate()
    return name


@app.skill(idempotent=True)
async def again(name: str) -> str:
    """Wait for the gate; may run again."""
    note(name)
    await through_the_gate()
    return name


@app.skill()
async def quick(name: str) -> str:
    """Return at once."""
    note(name)
    return name


run(app)
