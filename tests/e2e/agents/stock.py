"""A node whose functions the tools of another node call."""

from __future__ import annotations

from common import run

from agentfield import Agent

app = Agent("stock")


@app.skill()
def check(thing: str) -> dict[str, str]:
    """Find out how many there are of a thing."""
    return {"thing": thing, "left": "seven"}


run(app)
