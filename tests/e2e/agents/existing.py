"""An agent as it was written before: with the existing SDK, which it runs on unchanged.

It is run by ``.venv/existing/bin/python``, where ``agentfield`` is that SDK: ``existing.py NODE PORT``.
"""

# mypy: ignore-errors

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from agentfield import Agent

node, port = sys.argv[1], int(sys.argv[2])
app = Agent(
    node,
    agentfield_server=os.environ["AGENTFIELD_SERVER"],
    callback_url=f"http://127.0.0.1:{port}",
    description="Answers for support.",
    tags=["support"],
)
journal, gate = Path(os.environ["JOURNAL"]), Path(os.environ["GATE"])


class OutOfStock(Exception):
    """Raised with a status of its own."""

    status_code = 409


def noted(what: str) -> None:
    with journal.open("a") as lines:
        lines.write(f"{what}\n")


async def opened() -> None:
    while not gate.exists():
        await asyncio.sleep(0.02)


@app.reasoner()
async def resolve(topic: str) -> dict:
    """Resolve a topic: ask the other functions of this node and return what they say."""
    noted(f"resolve {topic}")
    app.note(f"resolving {topic}", tags=["support"])
    helped = await app.call(f"{node}.helper", topic=topic)
    return {"topic": topic, "helped": helped, "spoken_response": f"Done with {topic}."}


@app.reasoner()
async def helper(topic: str) -> dict:
    """Help with a topic."""
    return {"for": topic}


@app.reasoner()
async def across(target: str, topic: str) -> dict:
    """Ask another node."""
    return {"answer": await app.call(target, topic=topic)}


@app.reasoner()
async def numbers() -> list:
    """Return a list."""
    return [1, 2, 9007199254740993]


@app.skill()
def count(word: str) -> int:
    """Return a number."""
    return len(word)


@app.reasoner()
async def fails(topic: str) -> dict:
    """Fail at once."""
    raise ValueError(f"no {topic} today")


@app.reasoner()
async def refuses(topic: str) -> dict:
    """Refuse with a status."""
    raise OutOfStock(f"out of {topic}")


@app.reasoner()
async def waits(name: str) -> dict:
    """Wait for the gate."""
    noted(f"begins {name}")
    try:
        await opened()
    except asyncio.CancelledError:
        noted(f"stopped {name}")
        raise
    noted(f"ends {name}")
    return {"name": name}


@app.skill()
async def slow(name: str) -> str:
    """Wait for the gate, in the request itself."""
    noted(f"begins {name}")
    await opened()
    return name


@app.reasoner()
async def inside(topic: str) -> dict:
    """Call a reasoner of this node as a function, which calls a third over the network."""
    return {"inner": await inner(topic=topic)}


@app.reasoner()
async def inner(topic: str) -> dict:
    """Ask the helper."""
    return {"helped": await app.call(f"{node}.helper", topic=topic)}


@app.reasoner()
async def asks_for_nothing() -> dict:
    """Call what does not exist."""
    try:
        return {"answer": await app.call(f"{node}.nothing")}
    except Exception as error:  # noqa: BLE001 - whatever the SDK makes of it
        return {"refused": str(error)}


@app.session("voice", provider="openai", transport="webrtc", tools=["resolve"])
async def voice(session: object) -> None:
    """Handlers of the existing SDK are never run."""
    raise AssertionError("unreachable")


app.serve(port=port, host="127.0.0.1", access_log=False)
