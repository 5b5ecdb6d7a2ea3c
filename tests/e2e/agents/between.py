"""A node of ours between agents that are built with the existing SDK."""

from __future__ import annotations

from typing import Any

from common import run

from agentfield import Agent

app = Agent("between")


@app.reasoner()
async def ask(topic: str) -> Any:
    """Ask the agent on the other side."""
    return await app.call("right.resolve", topic=topic)


run(app)
