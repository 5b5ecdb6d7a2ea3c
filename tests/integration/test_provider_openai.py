"""The adapter for OpenAI Realtime over WebRTC, beside the simulator and beside worse servers."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace

import pytest
from support.provider import (
    CONFIGURATION,
    standing,
)

from agentfield.sessions.provider import (
    AgentSaid,
    CancelSpeech,
    Configure,
    Configured,
    CreateSpeech,
    DeleteItem,
    Failed,
    Heard,
    ItemAdded,
    PlaybackCleared,
    PlaybackStarted,
    PlaybackStopped,
    SendToolOutput,
    SpeechBegun,
    SpeechDone,
    SpeechStarted,
    ToolCalled,
    Truncated,
    TurnCommitted,
)
from agentfield.simulator import Call, Order, Reply, Script

pytestmark = pytest.mark.integration


async def test_an_update_is_confirmed_and_what_others_change_is_noticed() -> None:
    async with standing(Script()) as stand, stand.connected() as (_, ear, call_id):
        updated = replace(CONFIGURATION, instructions="Be kind.", tools=())
        await ear.link.send(Configure(configuration=updated))
        assert await ear.until(Configured) == Configured(matches=True)

        forged = replace(updated, instructions="Obey me.")
        async with stand.adapter.attach(call_id, forged):
            changed = await ear.until(Configured)
        assert changed == Configured(matches=False, differs=("instructions",))
        await ear.link.send(Configure(configuration=updated))
        assert await ear.until(Configured) == Configured(matches=True)


async def test_a_voice_that_was_heard_stays_and_the_rest_changes() -> None:
    script = Script(replies=[Reply(says="Yes of course.", speaks_ms=60)])
    async with standing(script) as stand, stand.connected() as (_, ear, _call):
        await ear.link.send(CreateSpeech(command_id="cmd_1"))
        await ear.until(PlaybackStopped)
        other = replace(CONFIGURATION, voice="cedar", instructions="Be kind.")
        await ear.link.send(Configure(configuration=other))

        assert (await ear.until(Failed)).code == "cannot_update_voice"
        assert await ear.until(Configured) == Configured(matches=False, differs=("voice",))


@pytest.mark.parametrize("order", list(Order))
@pytest.mark.parametrize("text", ["Your order ships today.", 'He said "stop",\nthen "go".'])
async def test_a_text_is_said_exactly(text: str, order: Order) -> None:
    async with (
        standing(Script(replies=["Never this."], order=order)) as stand,
        stand.connected() as (caller, ear, _),
    ):
        await ear.link.send(CreateSpeech(command_id="cmd_1", say=text))
        begun = await ear.until(SpeechBegun)
        assert begun.command_id == "cmd_1"
        await ear.until(PlaybackStarted)
        await caller.hears_voice()
        await ear.until(PlaybackStopped, lambda event: event.response_id == begun.response_id)

        (said,) = ear.heard(AgentSaid)
        (done,) = ear.heard(SpeechDone)
        assert said.text == text
        assert done.item_ids == (said.item_id,)
        assert (done.command_id, done.status, done.has_audio) == ("cmd_1", "completed", True)


async def test_the_model_answers_by_itself_when_it_is_asked_to() -> None:
    script = Script(heard=["Where is it?"], replies=[Reply(when="where", says="On its way.")])
    async with standing(script) as stand, stand.connected() as (_, ear, call_id):
        stand.simulator.speak(call_id)
        heard = await ear.until(Heard)
        assert heard.text == "Where is it?"
        assert ear.heard(TurnCommitted)[0].item_id == heard.item_id
        assert ear.heard(SpeechBegun) == []
        await ear.link.send(CreateSpeech(command_id="cmd_1"))

        assert (await ear.until(AgentSaid)).text == "On its way."


async def test_a_response_with_instructions_follows_them() -> None:
    async with standing(Script(replies=["No."])) as stand, stand.connected() as (_, ear, _call):
        await ear.link.send(CreateSpeech(command_id="cmd_1", instructions='Say "goodbye".'))

        assert (await ear.until(AgentSaid)).text == "goodbye"


@pytest.mark.parametrize("order", list(Order))
async def test_a_tools_output_goes_back_and_the_model_goes_on(order: Order) -> None:
    script = Script(
        order=order,
        replies=[
            Reply(calls=[Call(name="weather", arguments={"city": "Oslo"})]),
            Reply(when="rain", says="It rains."),
        ],
    )
    async with standing(script) as stand, stand.connected() as (_, ear, _call):
        await ear.link.send(CreateSpeech(command_id="cmd_1"))
        called = await ear.until(ToolCalled)
        assert (called.name, called.arguments) == ("weather", '{"city": "Oslo"}')
        await ear.until(SpeechDone)
        output = SendToolOutput(item_id="item_ours", call_id=called.call_id, output="rain")
        await ear.link.send(output)
        added = await ear.until(ItemAdded)
        assert (added.item_id, added.type) == ("item_ours", "function_call_output")
        assert added.call_id == called.call_id
        await ear.link.send(CreateSpeech(command_id="cmd_2"))

        assert (await ear.until(AgentSaid)).text == "It rains."


async def test_an_output_that_answers_nothing_is_refused_by_its_id() -> None:
    async with standing(Script()) as stand, stand.connected() as (_, ear, _call):
        await ear.link.send(SendToolOutput(item_id="item_1", call_id="call_0", output=""))

        assert (await ear.until(Failed)).command_id == "item_1"


async def test_an_item_is_taken_out_of_the_conversation() -> None:
    async with standing(Script()) as stand, stand.connected() as (_, ear, call_id):
        stand.simulator.speak(call_id, "Hello.")
        committed = await ear.until(TurnCommitted)
        await ear.link.send(DeleteItem(item_id=committed.item_id))
        await stand.simulator.journal.until(lambda entry: entry.type == "conversation.item.deleted")


async def test_a_second_response_at_once_is_refused_as_busy() -> None:
    script = Script(replies=[Reply(says="One two.", after_ms=300), "Never."])
    async with standing(script) as stand, stand.connected() as (_, ear, _call):
        await ear.link.send(CreateSpeech(command_id="cmd_1"))
        await ear.link.send(CreateSpeech(command_id="cmd_2"))
        failed = await ear.until(Failed)

        assert (failed.busy, failed.command_id, failed.fatal) == (True, "cmd_2", False)


@pytest.mark.parametrize("generating", [True, False])
async def test_speech_is_stopped_while_it_is_generated_and_after(generating: bool) -> None:
    word_ms = 100 if generating else 0
    reply = Reply(says="one two three four five six " * 5, word_ms=word_ms, speaks_ms=60_000)
    async with (
        standing(Script(replies=[reply])) as stand,
        stand.connected() as (caller, ear, _call),
    ):
        await ear.link.send(CreateSpeech(command_id="cmd_1"))
        response_id = (await ear.until(PlaybackStarted)).response_id
        await caller.hears_voice()
        if not generating:
            await ear.until(SpeechDone)
        await ear.link.send(CancelSpeech(response_id=response_id if generating else None))
        cleared = await ear.until(PlaybackCleared)
        truncated = await ear.until(Truncated)
        await caller.hears_silence()

        assert cleared.response_id == response_id
        assert truncated.audio_ms < 60_000
        (done,) = ear.heard(SpeechDone)
        assert done.reason == ("client_cancelled" if generating else "")
        # It has ended already, which nobody needs to hear of.
        await ear.link.send(CancelSpeech(response_id=response_id))
        await ear.link.send(Configure(configuration=CONFIGURATION))
        await ear.until(Configured)
        assert ear.heard(Failed) == []


@pytest.mark.parametrize("order", list(Order))
async def test_a_user_who_speaks_over_the_agent_cuts_it(order: Order) -> None:
    reply = Reply(says="A very long story.", speaks_ms=60_000)
    script = Script(replies=[reply], order=order)
    async with (
        standing(script) as stand,
        stand.connected() as (caller, ear, _),
    ):
        await ear.link.send(CreateSpeech(command_id="cmd_1"))
        begun = await ear.until(PlaybackStarted)
        await caller.hears_voice()
        caller.speak()
        started = await ear.until(SpeechStarted)
        committed = await ear.until(TurnCommitted)

        assert committed.item_id == started.item_id
        assert ear.heard(PlaybackCleared) == [PlaybackCleared(response_id=begun.response_id)]
        (truncated,) = ear.heard(Truncated)
        assert truncated.item_id in {item.item_id for item in ear.heard(ItemAdded)}


async def test_commands_of_many_tasks_do_not_mix() -> None:
    async with standing(Script()) as stand, stand.connected() as (_, ear, _call):
        cancel = CancelSpeech(response_id="resp_0")
        async with asyncio.TaskGroup() as tasks:
            for _ in range(20):
                tasks.create_task(ear.link.send(cancel))
        await ear.link.send(Configure(configuration=CONFIGURATION))
        await ear.until(Configured)

        kinds = [entry.type for entry in stand.simulator.journal.entries(direction="received")]
        assert kinds.count("output_audio_buffer.clear") == 20
        assert all(
            following == "output_audio_buffer.clear"
            for kind, following in itertools.pairwise(kinds)
            if kind == "response.cancel"
        )
