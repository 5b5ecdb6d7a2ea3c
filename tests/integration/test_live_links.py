"""Calls go on while nobody listens: links that break, and sessions that change hands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from support.live import Line, desk

from agentfield.live.registry import Registry
from agentfield.simulator import Entry
from agentfield.simulator.conformance import violations
from agentfield.testing import Call, Reply, Script, Simulator
from agentfield_sdk import SessionEvent

pytestmark = pytest.mark.integration

FIND = Call(name="find", arguments={"thing": "hat"})


class Hands:
    """Takes a session out of its server's hands, and gives it back."""

    def __init__(self) -> None:
        self.registry: Registry

    @asynccontextmanager
    async def away(self, line: Line) -> AsyncIterator[Simulator]:
        """Let nobody attend to a session while the block runs, and the provider be listened to."""
        provider, call_id = line.desk.provider, await line.external_id()
        await self.registry.let_go(line.session_id)
        line.follow_from(line.log.events[-1].sequence if line.log.events else 0)
        url = f"{provider.base_url}/realtime"
        async with (
            aiohttp.ClientSession(headers={"Authorization": "Bearer simulated"}) as http,
            http.ws_connect(url, params={"call_id": call_id}),
        ):
            yield provider
        await self.take_up(line)

    async def take_up(self, line: Line) -> None:
        session = await self.registry.shared.store.get(line.session_id)
        assert session is not None
        await self.registry.take_up(session)


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    """Return the hands of the server that starts next."""
    found, recover = Hands(), Registry.recover

    async def noted(self: Registry) -> None:
        found.registry = self
        await recover(self)

    monkeypatch.setattr(Registry, "recover", noted)
    return found


async def told(provider: Simulator, type_: str, **facts: Any) -> Entry:
    """Wait until the provider has told something to those who listen."""
    return await provider.journal.until(
        lambda e: e.direction == "sent" and e.type == type_ and facts.items() <= e.body.items()
    )


def kinds_asked(events: Sequence[SessionEvent]) -> list[str]:
    return [event.data["kind"] for event in events if event.type == "agent.asked"]


async def test_a_link_that_breaks_is_attached_again_and_the_call_goes_on() -> None:
    async with desk() as at:
        line, handler = await at.led()
        await line.until("session.live")
        call_id = await line.external_id()
        at.provider.drop_sidebands(call_id)
        await line.until("provider.lost")
        connecting = await line.until("session.connecting", generation=1)
        gap = await line.until("provider.gap")
        assert gap.data["from"] <= gap.data["to"]
        again = await line.until("session.live")
        assert again.data == connecting.data
        assert (await handler.say("Still here.")).spoken_text == "Still here."
        assert at.provider.calls() == [call_id]
        assert at.hang_ups() == []
        await line.end()


# --- a turn that was spoken meanwhile ---


async def test_a_turn_that_was_spoken_while_nobody_listened_goes_to_the_handler(
    hands: Hands,
) -> None:
    async with desk() as at:
        line, handler = await at.led()
        await line.say("One.")
        await handler.until("turn.transcribed", text="One.")
        async with hands.away(line) as provider:
            await line.say("Two.")
            await told(
                provider, "conversation.item.input_audio_transcription.completed", transcript="Two."
            )
        await handler.open(after_sequence=0)
        await line.until("provider.gap")
        await line.until("turn.transcribed", text="Two.")
        await line.say("Three.")
        await line.until("turn.transcribed", text="Three.")
        assert [turn.text for turn in (await line.get()).turns] == ["One.", "Two.", "Three."]
        assert (await handler.say("Well.")).heard_text == "Well."
        assert violations(provider.journal.entries()) == []
        await line.end()


async def test_a_turn_that_was_spoken_while_nobody_listened_is_answered_once_by_the_model(
    hands: Hands,
) -> None:
    async with desk() as at:
        line, handler = await at.led()
        await handler.returned()
        async with hands.away(line) as provider:
            await line.say("How are you?")
            await told(provider, "conversation.item.input_audio_transcription.completed")
        await line.until("agent.heard", text="How are you?", outcome="completed")
        await line.end()
        assert kinds_asked(await line.read()) == ["answer"]


async def test_what_the_provider_does_not_tell_is_a_gap_and_not_guessed(hands: Hands) -> None:
    async with desk() as at:
        line = await (await at.start("plain")).connect()
        async with hands.away(line) as provider:
            await line.say("Lost.")
            await told(provider, "output_audio_buffer.stopped")
        await line.until("provider.gap")
        await line.until("agent.said", text="Lost.")
        await line.say("Found.")
        await line.until("agent.heard", text="Found.")
        turns = [(turn.role, turn.full_text or turn.text) for turn in (await line.get()).turns]
        assert turns == [("agent", "Lost."), ("user", "Found."), ("agent", "Found.")]
        await line.end()


async def test_the_probe_leaves_nothing_behind(hands: Hands) -> None:
    async with desk() as at:
        line, handler = await at.led()
        await handler.say("One.")
        async with hands.away(line):
            pass
        await line.until("session.live", generation=1)
        await line.say("Two.")
        await line.until("turn.transcribed")
        put = [e.body["item"]["id"] for e in at.sent("conversation.item.create")]
        taken = [e.body["item_id"] for e in at.sent("conversation.item.delete")]
        assert put == taken
        assert len(put) == 1
        await line.end()
        linked = [
            e.data["previous_item_id"] for e in await line.read() if e.type == "turn.committed"
        ]
        added = [e.data["item_id"] for e in await line.read() if e.type == "item.added"]
        assert linked == added[:1]


# --- tools ---


async def test_a_tool_that_runs_meanwhile_runs_once_and_is_answered_once(hands: Hands) -> None:
    script = Script(
        replies=[Reply(when="how many", calls=[FIND]), Reply(when="seven", says="Seven.")]
    )
    async with desk(script=script) as at:
        line = await (await at.start("plain")).connect()
        await line.say("How many?")
        work = at.worker.accept(await at.worker.take())
        called = await line.until("tool.started")
        async with hands.away(line):
            await at.worker.report(work, result=b'"seven"')
        await line.until("tool.finished", execution_id=called.data["execution_id"])
        await line.until("agent.heard", text="Seven.")
        invoked = await line.invoke("x", call_id=called.data["call_id"])
        assert invoked.execution_id == called.data["execution_id"]
        await line.end()
        types = await line.types()
        for once in (
            "tool.called",
            "tool.started",
            "tool.finished",
            "tool.output",
            "tool.delivered",
        ):
            assert types.count(once) == 1, once
        assert kinds_asked(await line.read()) == ["continue"]
        outputs = [
            e
            for e in at.sent("conversation.item.create")
            if e.body["item"]["type"] == "function_call_output"
        ]
        assert len(outputs) == 1
