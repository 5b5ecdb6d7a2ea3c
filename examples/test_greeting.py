import pytest

from agentfield import Agent, RealtimeSession
from agentfield.testing import calling, control_plane, simulator

app = Agent("shop")


@app.session("desk", provider="openai", model="m", transport="webrtc", modalities=["audio"])
async def desk(session: RealtimeSession) -> None:
    await session.say("Good morning, this is the hat shop. What can I do for you?")
    turn = await session.input()
    await session.say(f"You said: {turn.text}")


@pytest.mark.asyncio
async def test_the_caller_is_greeted_and_may_interrupt() -> None:
    async with simulator() as provider, control_plane(simulator=provider) as plane:
        async with app.serving(), calling(plane, "shop.desk") as call:
            await call.hears_voice()
            call.say("Two hats!")
            await call.until("agent.heard", interrupted=True)
            await call.until("agent.heard", text="You said: Two hats!")
