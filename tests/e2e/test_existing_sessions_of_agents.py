"""Sessions that an agent built with the existing SDK declares, over real WebRTC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.storage import Storage
from support.voice import VoiceWorld, voice_world

from agentfield.simulator import Call, Reply, Script
from agentfield.simulator.conformance import violations
from agentfield.testing import calling

pytestmark = pytest.mark.e2e

REPLIES = [
    Reply(when="hats", calls=[Call(name="resolve", arguments={"topic": "hats"})]),
    Reply(when="spoken_response", says="Done with hats."),
]


@pytest.fixture(name="world")
async def _world(tmp_path: Path, storage: Storage) -> AsyncIterator[VoiceWorld]:
    async with voice_world(tmp_path, storage=storage) as processes:
        yield processes
        assert violations(processes.simulator.journal.entries()) == []


async def test_it_starts_model_led_with_the_agents_reasoners_as_tools(world: VoiceWorld) -> None:
    world.simulator.script = Script(replies=REPLIES)
    await world.server()
    await world.processes.existing("support")

    async with calling(world, "support.voice") as call:
        assert call.started["tool_targets"] == {"resolve": "support.resolve"}
        call.say("What about my hats?")
        await call.until("agent.heard", text="Done with hats.")
        await call.hang_up()

        (tool,) = await call.tools()
        assert (tool.name, tool.target, tool.status) == ("resolve", "support.resolve", "succeeded")
        workflow = await call.workflow()
        assert workflow.shape == ("support.voice", ("support.resolve", ("support.helper",)))
