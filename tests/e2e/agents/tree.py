"""A node whose functions call each other and those of the other node of the same script."""

from __future__ import annotations

import asyncio
import sys

from common import run

from agentfield import Agent

node, slots = sys.argv[1], int(sys.argv[2])
app = Agent(node, max_executions=slots)


@app.reasoner()
async def plan(other: str, steps: int) -> list[int]:
    """Ask the other node for every step, all at once."""
    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(app.call(f"{other}.step", back=node, i=i)) for i in range(steps)]
    return [call.result() for call in calls]


@app.skill()
async def step(back: str, i: int) -> int:
    """Ask the first node for the leaf."""
    result: int = await app.call(f"{back}.leaf", i=i)
    return result


@app.skill()
def leaf(i: int) -> int:
    """Return twice the number."""
    return 2 * i


@app.skill()
async def fan(calls: int) -> int:
    """Call this very node many times at once."""
    async with asyncio.TaskGroup() as tasks:
        done = [tasks.create_task(app.call(f"{node}.leaf", i=i)) for i in range(calls)]
    return sum(call.result() for call in done)


run(app)
