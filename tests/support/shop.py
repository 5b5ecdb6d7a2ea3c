"""An agent whose sessions show everything that the page can show."""

from __future__ import annotations

__all__ = ["SCRIPT", "shop"]

import asyncio
from typing import Any

from agentfield import Agent, RealtimeSession
from agentfield.testing import Call, Reply, Script

shop = Agent("shop", description="Sells hats.")
PAIR: dict[str, Any] = {"provider": "openai", "transport": "webrtc"}
TOOLS = ["look_up", "fail", "count_for_a_long_time"]
LONG = (
    "We have hats of felt, of straw and of silk, and one that nobody has ever dared to wear. " * 3
)


@shop.reasoner()
async def look_up(thing: str) -> dict[str, str]:
    """Find out how many there are of a thing."""
    left = await shop.call("shop.count", thing=thing)
    return {"spoken_response": f"There are {left} {thing}s left.", "<b>shelf</b>": "s" * 90}


@shop.skill()
def count(thing: str) -> str:
    """Count."""
    return "seven" if thing == "hat" else "no"


@shop.skill()
def fail(why: str) -> str:
    """Fail."""
    raise LookupError(why)


@shop.skill()
async def count_for_a_long_time() -> str:
    """Never come to an end."""
    await asyncio.Event().wait()
    return "never"


shop.add_session("model", **PAIR, tools=TOOLS, data_channel="refuse")
shop.add_session("idle", **PAIR, idle_timeout=1)
shop.add_session("single", **PAIR, max_sessions=1)
shop.add_session("sockets", provider="openai", transport="websocket")
shop.add_session("turns", provider="openrouter", transport="audio_turns", modalities=["text"])


@shop.session("led", **PAIR)
async def led(session: RealtimeSession) -> None:
    """Say something long to the first turn; then leave it to the model."""
    await session.input()
    await session.say(LONG)


@shop.session("broken", **PAIR)
async def broken(session: RealtimeSession) -> None:
    """Raise."""
    await session.input()
    raise LookupError("no idea what to say")


SCRIPT = Script(
    replies=[
        Reply(
            when=r"hats\?",
            says="One moment.",
            speaks_ms=300,
            calls=[Call(name="look_up", arguments={"thing": "hat"})],
        ),
        Reply(when="spoken_response", says="Seven hats are left.", speaks_ms=400),
        Reply(when="why", calls=[Call(name="fail", arguments={"why": "sold out"})]),
        Reply(when="secret", calls=[Call(name="secret", arguments={})]),
        Reply(when="long story", says=LONG, speaks_ms=20_000),
        Reply(says="Very well.", speaks_ms=300, repeats=True),
    ]
)
"""What the model says and calls, by what it is asked."""
