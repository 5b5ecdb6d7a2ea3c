"""Calls to the simulator that go wrong, or are left."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import aiohttp
import pytest
from support.simulated import attached, connected, hang_up, simulated
from support.tasks import meanwhile

from agentfield.simulator import Fault, Reply, Script, running
from agentfield.simulator.caller import calling

pytestmark = pytest.mark.integration
NOTE: dict[str, Any] = {
    "id": "item_note",
    "type": "message",
    "role": "system",
    "content": [{"type": "input_text", "text": "."}],
}


async def test_the_answer_looks_like_the_providers() -> None:
    async with simulated(Script()) as (simulator, http), calling() as caller:
        offer = await caller.offer()
        async with http.post(
            f"{simulator.base_url}/realtime/calls",
            data=offer,
            headers={"Content-Type": "application/sdp"},
        ) as response:
            assert response.status == 201
            assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
            assert "Location" in response.headers["Access-Control-Expose-Headers"]
            assert re.fullmatch(r"/v1/realtime/calls/rtc_\w+", response.headers["Location"])
            answer = await response.text()
        opus = r"a=rtpmap:(\d+) opus/48000/2"
        offered, answered = re.findall(opus, offer), re.findall(opus, answer)
        assert answered == offered
        assert answer.startswith("v=0\r\n")
        assert "a=setup:active" in answer
        assert "a=candidate" in answer
        addresses = re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+) ", answer, re.IGNORECASE)
        assert set(addresses) == {"127.0.0.1"}


async def test_a_fault_happens_as_often_as_scripted() -> None:
    script = Script(faults=[Fault(on="offer", status=429, retry_after=2), Fault(on="offer")])
    async with simulated(script) as (simulator, http), calling() as caller:
        url = f"{simulator.base_url}/realtime/calls"
        headers = {"Content-Type": "application/sdp"}
        offer = await caller.offer()
        statuses = []
        for _ in range(3):
            async with http.post(url, data=offer, headers=headers) as response:
                statuses.append(response.status)
                if response.status == 429:
                    assert response.headers["Retry-After"] == "2"
        assert statuses == [429, 500, 201]


async def test_a_call_that_is_opened_while_the_simulator_goes_is_ended_with_it() -> None:
    """Without that, leaving the block would wait for it for ever."""
    slow = Script(faults=[Fault(on="offer", status=None, after_ms=300)])

    async def post(http: aiohttp.ClientSession, url: str, offer: str) -> None:
        headers = {"Content-Type": "application/sdp", "Authorization": "Bearer ek"}
        async with http.post(url, data=offer, headers=headers):
            pass

    async with (
        asyncio.timeout(10),
        calling() as caller,
        aiohttp.ClientSession() as http,
        meanwhile() as beside,
    ):
        offer = await caller.offer()
        async with running(script=slow) as simulator:
            offering = beside.begin(post(http, f"{simulator.base_url}/realtime/calls", offer))
            await simulator.journal.until(
                lambda entry: entry.body.get("path") == "/v1/realtime/calls"
            )
        await asyncio.wait({offering})
        assert not simulator.calls()


async def test_a_call_outlives_its_sidebands_and_repeats_nothing() -> None:
    script = Script(replies=[Reply(says="Nobody hears this.")])
    async with (
        simulated(script) as (simulator, http),
        connected(http, simulator, data_channel=False) as (caller, sideband, call_id),
    ):
        simulator.drop_sidebands(call_id)
        assert await sideband.is_closed() is aiohttp.WSMsgType.ERROR
        simulator.speak(call_id, "One.")
        await caller.hears_voice()
        await caller.hears_silence()
        async with (
            attached(http, simulator, call_id) as second,
            attached(http, simulator, call_id) as third,
        ):
            await second.send("conversation.item.create", item=NOTE)
            for each in (second, third):
                added = await each.until("conversation.item.added")
                assert added["item"]["id"] == "item_note"
                assert [event["type"] for event in each.events] == ["conversation.item.added"]
            await third.send("conversation.item.retrieve", item_id=added["previous_item_id"])
            last = await third.until("conversation.item.retrieved")
            (part,) = last["item"]["content"]
            assert part["transcript"] == "Nobody hears this."
            await third.send("conversation.item.delete", item_id="item_note")
            await second.until("conversation.item.deleted")
            await third.send("conversation.item.retrieve", item_id="item_note", event_id="e")
            refused = await third.until("error")
            assert refused["error"]["code"] == "item_retrieve_invalid_item_id"
            assert refused["error"]["event_id"] == "e"
            assert await hang_up(http, simulator, call_id) == 200
        with pytest.raises(aiohttp.WSServerHandshakeError) as gone:
            async with attached(http, simulator, call_id):
                pass
        assert gone.value.status == 404
