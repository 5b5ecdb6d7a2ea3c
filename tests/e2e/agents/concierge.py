"""A node whose handler looks things up elsewhere; it logs everything there is to log."""

from __future__ import annotations

from common import run

from agentfield import Agent, RealtimeSession
from agentfield.process.logs import configure_logging

app = Agent("concierge")


@app.session("voice", provider="openai", transport="webrtc", tools=["library.find"])
async def voice(session: RealtimeSession) -> None:
    """Look up what the user wants; then leave the conversation to the model."""
    turn = await session.input()
    found = await session.call("library.find", words=turn.text)
    await session.say(found["spoken"])
    await session.respond("Offer further help.")


configure_logging("debug")
run(app)
