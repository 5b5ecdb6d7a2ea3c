"""Answers the phone: the first turn by its handler; then the model leads, with a tool of ours."""

from agentfield import Agent, SessionTurn

app = Agent("support")


@app.session("voice", provider="openai", model="gpt-realtime-2", transport="webrtc",
             modalities=["audio", "text"], voice="marin", tools=["support.resolve_voice_turn"])
async def voice(session):
    turn = await session.input()
    result = await session.call("support.resolve_voice_turn", turn=turn)
    await session.say(result["spoken_response"])


@app.reasoner()
async def resolve_voice_turn(turn: SessionTurn) -> dict[str, str]:
    """Find an answer to what the caller said."""
    found = await app.call("orders.find", words=turn.text)
    return {"spoken_response": f"I looked: {found}."}


if __name__ == "__main__":
    app.run()
