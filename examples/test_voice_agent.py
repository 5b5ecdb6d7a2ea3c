import pytest
from orders_agent import app as orders
from voice_agent import app as support

from agentfield.testing import Call, Reply, Script, calling, control_plane, simulator

LAMP = Call(name="resolve_voice_turn", arguments={"turn": {"text": "And my lamp?"}})
SCRIPT = Script(replies=[Reply(when="my lamp", calls=[LAMP]), Reply(when="Tue", says="Tuesday.")])


@pytest.mark.asyncio
async def test_the_agent_answers_and_then_its_model_does() -> None:
    async with simulator(script=SCRIPT) as provider, control_plane(simulator=provider) as plane:
        async with orders.serving(), support.serving(), calling(plane, "support.voice") as call:
            call.say("Where is my hat?")
            await call.until("agent.heard", text="I looked: it left the warehouse today.")
            await call.until("handler.returned")
            call.say("And my lamp?")
            await call.until("agent.heard", text="Tuesday.")
            assert [tool.target for tool in await call.tools()] == ["support.resolve_voice_turn"]
            step = ("support.resolve_voice_turn", ("orders.find",))
            assert (await call.workflow()).shape == ("support.voice", step, step)
