"""A node whose reasoner calls a skill of its own; it logs everything there is to log."""

from __future__ import annotations

from common import run

from agentfield import Agent
from agentfield.process.logs import configure_logging

app = Agent("library")


@app.reasoner()
async def find(words: str) -> dict[str, str]:
    """Find a book."""
    return {"spoken": await app.call("library.shelf", words=words)}


@app.skill()
def shelf(words: str) -> str:
    """Find a shelf; there is none for what is forbidden."""
    if "forbidden" in words:
        raise LookupError(f"no shelf for {words}")
    return f"On the shelf is {words}"


configure_logging("debug")
run(app)
