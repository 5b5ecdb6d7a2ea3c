"""Whole calls with a provider whose events come in any order that its documentation allows."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentfield import Agent, RealtimeSession
from agentfield.simulator.conformance import violations
from agentfield.testing import Call, Order, Reply, Script, calling, control_plane, simulator

pytestmark = pytest.mark.integration

PAIR: dict[str, Any] = {"provider": "openai", "transport": "webrtc"}
ROUNDS = 4
LONG = "Nobody will ever hear all of this sentence, for it is very long and the caller is not. " * 2
BOTH = [Call(name="double", arguments={"number": 2}), Call(name="double", arguments={"number": 3})]
SCRIPT = Script(
    order=Order.SHUFFLED,
    replies=[
        Reply(when="do both", calls=BOTH),
        Reply(when=r"4\s+6|6\s+4", says="Four and six."),
        Reply(when="stop talking", says=LONG),
    ],
)


def agent() -> Agent:
    app = Agent("desk")

    @app.skill()
    def double(number: int) -> int:
        """Double a number."""
        return 2 * number

    @app.session("calm", **PAIR, tools=["double"])
    async def calm(session: RealtimeSession) -> None:
        for _ in range(2):
            turn = await session.input()
            await session.say(f"You said: {turn.text}")

    return app


async def test_a_call_goes_the_same_way_whatever_the_order_of_events() -> None:
    app = agent()
    async with (
        simulator(script=SCRIPT) as provider,
        control_plane(simulator=provider) as plane,
        app.serving(),
    ):
        async with asyncio.TaskGroup() as calls:
            for _ in range(ROUNDS):
                calls.create_task(a_call(plane))
        assert violations(provider.journal.entries()) == []


async def a_call(plane: Any) -> None:
    """Two turns to the handler, one with two tools, one interrupted; then what is left of it."""
    async with calling(plane, "desk.calm") as call:
        for words in ("Begin.", "Go on."):
            call.say(words)
            await call.until("agent.heard", text=f"You said: {words}", outcome="completed")
        await call.until("handler.returned")
        call.say("Do both.")
        await call.until("agent.heard", text="Four and six.", outcome="completed")
        call.say("Stop talking.")
        await call.until("agent.said", text=LONG.strip())
        call.say("Well.")
        cut = await call.until("agent.heard", outcome="interrupted", full_text=LONG.strip())
        await call.until("agent.heard", text="Well.", outcome="completed")
        await call.hang_up()

        asked = [event.data["kind"] for event in call.events if event.type == "agent.asked"]
        assert asked == ["say", "say", "answer", "continue", "answer", "answer"]
        assert await call.turns() == [
            ("user", "Begin."),
            ("agent", "You said: Begin."),
            ("user", "Go on."),
            ("agent", "You said: Go on."),
            ("user", "Do both."),
            ("agent", "Four and six."),
            ("user", "Stop talking."),
            *([("agent", cut.data["text"])] if cut.data["text"] else []),
            ("user", "Well."),
            ("agent", "Well."),
        ]
        assert [tool.status for tool in await call.tools()] == ["succeeded", "succeeded"]
        assert (await call.workflow()).shape == ("desk.calm", ("desk.double",), ("desk.double",))
