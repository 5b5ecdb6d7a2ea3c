import orders_agent
import pytest
import voice_agent

from agentfield.testing import Call, Reply, Script, calling, control_plane, simulator

LATER = Call(name="resolve_voice_turn", arguments={"turn": {"text": "And my lamp?"}})
SCRIPT = Script(
    heard=["Where is my hat?", "And my lamp?"],
    replies=[Reply(when="my lamp", calls=[LATER]), Reply(when="Tuesday", says="On Tuesday.")],
)


@pytest.mark.asyncio
async def test_the_agent_answers_and_then_its_model_does() -> None:
    async with simulator(script=SCRIPT) as provider, control_plane(simulator=provider) as plane:
        async with orders_agent.app.serving(), voice_agent.app.serving():
            async with calling(plane, "support.voice") as call:
                call.speak()
                await call.until("agent.heard", text="I looked: it left Hamburg today.")
                await call.until("handler.returned")
                call.speak()
                await call.until("agent.heard", text="On Tuesday.")
                assert [tool.status for tool in await call.tools()] == ["succeeded"]
                step = ("support.resolve_voice_turn", ("orders.find",))
                assert (await call.workflow()).shape == ("support.voice", step, step)
