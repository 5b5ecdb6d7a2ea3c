"""A node with sessions of every kind; it notes in a journal what its handlers see."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from common import run

from agentfield import Agent, RealtimeSession, SessionEnded

app = Agent("desk")
JOURNAL, GATE = Path(os.environ["JOURNAL"]), Path(os.environ["GATE"])
PAIR: dict[str, Any] = {"provider": "openai", "transport": "webrtc"}
LONG = "This is a rather long answer, and nobody has the patience to hear all of what it says. " * 3


def note(**facts: Any) -> None:
    """Add a line to the journal; short appends are whole."""
    with JOURNAL.open("a") as journal:
        journal.write(json.dumps(facts) + "\n")


async def through_the_gate() -> None:
    """Wait until the gate is open."""
    while not GATE.exists():
        await asyncio.sleep(0.01)


@app.reasoner()
async def look_up(thing: str) -> dict[str, Any]:
    """Find out how many there are of a thing."""
    found = await app.call("stock.check", thing=thing)
    return {"spoken_response": f"There are {found['left']} {thing}s left."}


@app.skill()
async def slowly(seconds: float) -> str:
    """Take so many seconds."""
    await asyncio.sleep(seconds)
    return "done"


@app.skill()
async def count(thing: str) -> str:
    """Count a thing, which takes until the gate is open."""
    note(ran="count")
    await through_the_gate()
    return f"seven {thing}s"


@app.skill()
def secret() -> str:
    """No session lists this."""
    note(ran="secret")
    return "nobody may know"


@app.skill()
def save(words: list[str]) -> int:
    """Keep a conversation."""
    note(saved=words)
    return len(words)


TOOLS = ["desk.look_up", "slowly"]
app.add_session("model", **PAIR, tools=TOOLS)
app.add_session("counter", **PAIR, tools=["count"])
app.add_session("quiet", **PAIR, data_channel="refuse")
app.add_session("brief", **PAIR, connect_timeout=1.5)
app.add_session("idle", **PAIR, idle_timeout=1)
app.add_session("short", **PAIR, max_duration=1)
app.add_session("single", **PAIR, max_sessions=1)
app.add_session("hasty", **PAIR, tools=TOOLS, tool_timeout=0.3)
app.add_session("sockets", provider="openai", transport="websocket")


@app.session("echo", **PAIR, handler_grace=5)
async def echo(session: RealtimeSession) -> None:
    """Say after the user what they said; note what was said before, and how each speech went."""
    note(attempt=session.attempt, history=[turn.text for turn in session.history])
    async for turn in session:
        speech = await session.say(f"You said: {turn.text}")
        note(said=speech.text, outcome=speech.outcome)
    note(saved=await session.call("desk.save", words=[turn.text for turn in session.history]))


@app.session("late", **PAIR)
async def late(session: RealtimeSession) -> None:
    """Ask for the turn long after it was spoken."""
    await through_the_gate()
    turn = await session.input()
    await session.say(f"Late: {turn.text}")


@app.session("patient", **PAIR, transcript_timeout=0.4)
async def patient(session: RealtimeSession) -> None:
    """Note what came of a turn."""
    turn = await session.input()
    note(text=turn.text, transcript=turn.transcript)


@app.session("talker", **PAIR)
async def talker(session: RealtimeSession) -> None:
    """Say something long, and note what was heard of it."""
    await session.input()
    speech = await session.say(LONG)
    note(
        outcome=speech.outcome,
        heard=speech.heard_text,
        estimated=speech.estimated,
        all=speech.text,
    )


@app.session("steady", **PAIR)
async def steady(session: RealtimeSession) -> None:
    """Wait at the gate in the middle of a conversation."""
    note(attempt=session.attempt)
    first = await session.input()
    await through_the_gate()
    await session.say(f"First: {first.text}")
    second = await session.input()
    await session.say(f"Second: {second.text}")
    note(attempt=session.attempt, turns=[first.text, second.text])


@app.session("broken", **PAIR)
async def broken(session: RealtimeSession) -> None:
    """Raise."""
    await session.input()
    raise LookupError("no idea what to say")


@app.session("closer", **PAIR)
async def closer(session: RealtimeSession) -> None:
    """Let the model answer, then end the session."""
    await session.input()
    answer = await session.respond("Say goodbye.")
    note(answered=answer.text)
    await session.end("all is said")
    try:
        await session.input()
    except SessionEnded:
        note(ended=True)


run(app)
