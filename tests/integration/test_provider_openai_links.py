"""How the adapter for OpenAI Realtime attaches to a call, leaves it, and attaches again."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web
from support.provider import (
    CONFIGURATION,
    Ear,
    beside,
    standing,
)

from agentfield.sessions.provider import (
    Configured,
    CreateSpeech,
    DeleteItem,
    Failed,
    Heard,
    ItemAdded,
    ItemFound,
    ItemMissing,
    LinkClosed,
    Probe,
    RetrieveItem,
    SpeechDone,
    ToolCalled,
)
from agentfield.simulator import Call, Fault, Reply, Script
from agentfield.simulator.caller import calling
from agentfield.v1.errors import ProviderFailed

pytestmark = pytest.mark.integration


# --- sidebands ---


async def test_a_call_that_is_not_known_yet_is_attached_to_when_it_is() -> None:
    async with standing(Script(sideband_after_ms=400)) as stand, stand.connected():
        refused = [
            entry
            for entry in stand.simulator.journal.entries(connection="http-", direction="sent")
            if entry.body["status"] == 404
        ]
        assert len(refused) >= 2


async def test_a_call_that_stays_unknown_is_gone() -> None:
    async with standing(Script(), attach_for_s=2.0) as stand:
        with pytest.raises(ProviderFailed) as failed:
            async with stand.adapter.attach("rtc_unknown", CONFIGURATION):
                pytest.fail("attached to nothing")

    assert failed.value.metadata["gone"] == "true"
    assert failed.value.metadata["code"] == "call_id_not_found"
    assert failed.value.metadata["request_id"]


async def test_a_handshake_that_fails_over_there_is_tried_again() -> None:
    async with standing(Script(faults=[Fault(on="sideband", times=2)])) as stand, stand.connected():
        pass


async def test_a_handshake_that_is_refused_for_good_is_not() -> None:
    script = Script(faults=[Fault(on="sideband", status=401, code="invalid_api_key")])
    async with standing(script) as stand, calling() as caller, asyncio.timeout(5):
        call_id = await stand.place(caller)
        with pytest.raises(ProviderFailed, match=r"\(401\)") as failed:
            async with stand.adapter.attach(call_id, CONFIGURATION):
                pytest.fail("attached")

    assert "gone" not in failed.value.metadata


# --- the end ---


async def test_a_call_is_hung_up_once_and_its_link_is_closed_in_good_order() -> None:
    async with standing(Script()) as stand, stand.connected() as (_, ear, call_id):
        assert await stand.adapter.hang_up(call_id) is True
        closed = await ear.until(LinkClosed)
        assert closed == LinkClosed(by_provider=True, detail="1000")
        assert await ear.is_silent()
        await ear.link.send(CreateSpeech(command_id="cmd_1"))
        assert await stand.adapter.hang_up(call_id) is False


async def test_a_link_that_breaks_is_no_end_of_the_call() -> None:
    async with standing(Script()) as stand, stand.connected() as (_, ear, call_id):
        stand.simulator.drop_sidebands(call_id)
        closed = await ear.until(LinkClosed)
        assert closed.by_provider is False
        assert await ear.is_silent()
        await ear.link.send(CreateSpeech(command_id="cmd_1"))

        async with stand.adapter.attach(call_id, CONFIGURATION) as again:
            assert await Ear(again).until(Configured) == Configured(matches=True)


async def test_leaving_a_link_does_not_end_the_call() -> None:
    async with standing(Script()) as stand, stand.connected() as (_, _ear, call_id):
        async with stand.adapter.attach(call_id, CONFIGURATION) as second:
            await Ear(second).until(Configured)

        assert call_id in stand.simulator.calls()


async def test_a_silent_provider_has_broken_the_link() -> None:
    async def open_and_freeze(http: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(http)
        async for _ in socket:
            pass
        return socket

    async with (
        beside(open_and_freeze, ping_s=0.1) as adapter,
        adapter.attach("rtc_1", CONFIGURATION) as link,
    ):
        assert (await Ear(link).until(LinkClosed)).by_provider is False


async def test_frames_that_are_no_events_are_passed_over() -> None:
    async def babble(http: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(http)
        await socket.send_str("no JSON")
        await socket.send_str("[]")
        await socket.send_bytes(b"\x00")
        await socket.close(code=4000, message=b"enough")
        return socket

    async with beside(babble) as adapter, adapter.attach("rtc_1", CONFIGURATION) as link:
        closed = await Ear(link).until(LinkClosed)

    assert closed == LinkClosed(by_provider=False, detail="4000 enough")


async def test_a_session_that_expires_says_so_and_is_closed() -> None:
    async with standing(Script(lasts_ms=400)) as stand, stand.connected() as (_, ear, _call):
        failed = await ear.until(Failed)
        assert (failed.expired, failed.fatal) == (True, True)
        assert (await ear.until(LinkClosed)).by_provider is False  # whether it is over is asked


async def test_a_hang_up_of_which_nothing_is_known_has_failed() -> None:
    async with standing(Script(faults=[Fault(on="hangup")])) as stand, calling() as caller:
        call_id = await stand.place(caller)
        with pytest.raises(ProviderFailed, match=r"\(500\)"):
            await stand.adapter.hang_up(call_id)

        assert await stand.adapter.hang_up(call_id) is True


async def test_a_hang_up_that_is_not_answered_in_time_has_failed() -> None:
    script = Script(faults=[Fault(on="hangup", status=None, after_ms=300)])
    async with standing(script, hang_up_timeout_s=0.1) as stand:
        with pytest.raises(ProviderFailed, match="no answer in time"):
            await stand.adapter.hang_up("rtc_1")


# --- attaching again ---


async def test_a_call_outlives_its_links_and_tells_what_was_missed() -> None:
    async with standing(Script()) as stand, stand.connected() as (_, ear, call_id):
        stand.simulator.speak(call_id, "One.")
        heard = await ear.until(Heard)
        stand.simulator.drop_sidebands(call_id)
        assert (await ear.until(LinkClosed)).by_provider is False
        async with stand.adapter.attach(call_id, CONFIGURATION, age=60.0) as link:
            again = Ear(link)
            await again.until(Configured)
            await link.send(Probe(item_id="item_probe", text="."))
            probe = await again.until(ItemAdded)
            assert (probe.item_id, probe.role) == ("item_probe", "system")
            assert probe.previous_item_id == heard.item_id
            await link.send(RetrieveItem(item_id=heard.item_id))
            assert await again.until(ItemFound) == ItemFound(
                item_id=heard.item_id,
                type="message",
                role="user",
                status="completed",
                spoken=True,
                text="One.",
            )
            await link.send(DeleteItem(item_id="item_probe"))
            await link.send(RetrieveItem(item_id="item_probe"))
            assert await again.until(ItemMissing) == ItemMissing(item_id="item_probe")


async def test_an_item_of_ours_that_the_provider_refuses_is_missing() -> None:
    async with standing(Script()) as stand, stand.connected() as (_, ear, _call):
        for _ in range(2):
            await ear.link.send(Probe(item_id="item_probe", text="."))
        await ear.until(ItemAdded)
        assert (await ear.until(ItemMissing)).item_id == "item_probe"


async def test_what_the_model_did_is_told_as_it_is_when_it_is_looked_up() -> None:
    reply = Reply(says="Let me look.", calls=[Call(name="look", arguments={"n": 1})])
    async with standing(Script(replies=[reply])) as stand, stand.connected() as (_, ear, _call):
        await ear.link.send(CreateSpeech(command_id="cmd_1"))
        done = await ear.until(SpeechDone)
        (called,), (message,) = ear.heard(ToolCalled), done.item_ids
        await ear.link.send(RetrieveItem(item_id=called.item_id))
        found = await ear.until(ItemFound)
        assert (found.type, found.status, found.name) == ("function_call", "completed", "look")
        assert (found.call_id, json.loads(found.arguments)) == (called.call_id, {"n": 1})
        await ear.link.send(RetrieveItem(item_id=message))
        said = await ear.until(ItemFound)
        assert (said.role, said.status, said.spoken) == ("assistant", "completed", True)
        assert said.text == "Let me look."


@pytest.mark.parametrize(("age", "tries"), [(9.9, 2), (60.0, 1)])
async def test_only_a_young_call_may_be_unknown(age: float, tries: int) -> None:
    faults = [Fault(on="sideband", status=404, times=1)]
    async with standing(Script(faults=faults)) as stand, calling(data_channel=False) as caller:
        call_id = await stand.place(caller)
        if tries == 1:
            with pytest.raises(ProviderFailed) as failed:
                async with stand.adapter.attach(call_id, CONFIGURATION, age=age):
                    pass
            assert failed.value.metadata["gone"] == "true"
        else:
            async with stand.adapter.attach(call_id, CONFIGURATION, age=age) as link:
                assert await Ear(link).until(Configured)


async def test_a_provider_in_trouble_is_tried_for_as_long_as_there_is_patience() -> None:
    faults = [Fault(on="sideband", status=503, times=6)]
    async with (
        standing(Script(faults=faults), attach_for_s=0.1) as stand,
        calling(data_channel=False) as caller,
    ):
        call_id = await stand.place(caller)
        with pytest.raises(ProviderFailed):
            async with stand.adapter.attach(call_id, CONFIGURATION, age=60.0):
                pass
        async with stand.adapter.attach(call_id, CONFIGURATION, age=60.0, patience=30.0) as link:
            assert await Ear(link).until(Configured)
