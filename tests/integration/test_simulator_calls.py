"""The simulator over real WebRTC, with its sideband."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import aiohttp
import pytest
from support.simulated import attached, connected, hang_up, place, simulated

from agentfield.simulator import Call, Heard, Order, Reply, Script
from agentfield.simulator.caller import calling

pytestmark = pytest.mark.integration


async def test_a_spoken_turn_with_a_function_call_and_a_hang_up() -> None:
    script = Script(
        heard=["What is the weather in Oslo?"],
        replies=[
            Reply(calls=[Call(name="get_weather", arguments={"city": "Oslo"})]),
            Reply(when="rain", says="It rains in Oslo.", speaks_ms=300),
        ],
    )
    async with (
        simulated(script) as (simulator, http),
        connected(http, simulator) as (caller, sideband, call_id),
    ):
        caller.speak()
        await sideband.until("input_audio_buffer.speech_stopped")
        called = await sideband.until("response.function_call_arguments.done")
        assert json.loads(called["arguments"]) == {"city": "Oslo"}
        await sideband.until("response.done")
        output = {"type": "function_call_output", "call_id": called["call_id"], "output": "rain"}
        await sideband.send("conversation.item.create", item=output)
        await sideband.send("response.create")
        await sideband.until("output_audio_buffer.started")
        await caller.hears_voice()
        await sideband.until("output_audio_buffer.stopped")
        await caller.hears_silence()
        heard = [e for e in sideband.events if e["type"].endswith("transcription.completed")]
        assert [e["transcript"] for e in heard] == ["What is the weather in Oslo?"]
        assert await hang_up(http, simulator, call_id) == 200
        assert await sideband.is_closed() is aiohttp.WSMsgType.CLOSE
        assert await hang_up(http, simulator, call_id) == 404


async def test_speech_over_speech_cuts_it_off_for_real() -> None:
    script = Script(replies=[Reply(says="A very long story.", speaks_ms=20_000)])
    async with (
        simulated(script) as (simulator, http),
        connected(http, simulator) as (caller, sideband, _),
    ):
        caller.speak()
        await sideband.until("output_audio_buffer.started")
        await caller.hears_voice()
        caller.speak()
        await sideband.until("output_audio_buffer.cleared")
        truncated = await sideband.until("conversation.item.truncated")
        assert 0 < truncated["audio_end_ms"] < 5000
        await caller.hears_silence()


async def test_the_channel_gets_what_the_sideband_gets_and_is_greeted() -> None:
    async with (
        simulated(Script(replies=[Reply(says="Yes.", speaks_ms=40)])) as (simulator, http),
        connected(http, simulator) as (caller, sideband, _),
    ):
        await simulator.journal.until(lambda entry: entry.type == "session.created")
        caller.send({"type": "response.create", "event_id": "from the page"})
        await sideband.until("output_audio_buffer.stopped")
        sent = simulator.journal.entries("output_audio_buffer.stopped")
        assert [entry.connection.split("-")[0] for entry in sent] == ["sideband", "data"]
        await sideband.send("session.update", session={"type": "realtime"})
        await sideband.until("session.updated")
        async with asyncio.timeout(5):
            while caller.events[-1]["type"] != "session.updated":
                await asyncio.sleep(0.01)
        assert caller.events[0]["type"] == "session.created"
        assert caller.events[1:] == sideband.events


async def test_a_call_without_a_data_channel_is_a_call() -> None:
    script = Script(replies=[Reply(says="Yes.", speaks_ms=200)])
    async with (
        simulated(script) as (simulator, http),
        connected(http, simulator, data_channel=False) as (caller, sideband, _),
    ):
        caller.speak()
        await sideband.until("output_audio_buffer.started")
        await caller.hears_voice()


async def test_a_longer_silence_is_waited_for_if_the_session_says_so() -> None:
    detection = {"type": "server_vad", "silence_duration_ms": 600}
    async with (
        simulated(Script()) as (simulator, http),
        connected(http, simulator) as (caller, sideband, _),
    ):
        update = {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
        await sideband.send("session.update", session=update)
        await sideband.until("session.updated")
        caller.speak(lasts_ms=300)
        started = await sideband.until("input_audio_buffer.speech_started")
        stopped = await sideband.until("input_audio_buffer.speech_stopped")
        spoken_ms = stopped["audio_end_ms"] - started["audio_start_ms"]
        assert spoken_ms >= 300 + 600 - 60


async def test_a_sideband_that_comes_late_is_told_nothing_of_before() -> None:
    async with (
        simulated(Script(replies=["Yes."])) as (simulator, http),
        connected(http, simulator) as (_, first, call_id),
    ):
        await first.send("response.create")
        await first.until("response.done")
        async with attached(http, simulator, call_id) as late:
            await late.send("session.update", session={"type": "realtime"})
            await late.until("session.updated")
            earlier = [e for e in late.events if not e["type"].startswith("output_audio_buffer")]
            assert [event["type"] for event in earlier] == ["session.updated"]


async def test_a_sideband_is_refused_until_the_script_lets_it_in() -> None:
    async with (
        simulated(Script(sideband_after_ms=60_000)) as (simulator, http),
        calling() as caller,
    ):
        call_id = await place(http, simulator, caller)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(f"{simulator.base_url}/realtime?call_id={call_id}")
        assert refused.value.status == 404
        simulator.script = Script()
        async with attached(http, simulator, call_id):
            pass


async def test_a_sideband_is_dropped_where_the_script_says_and_may_come_again() -> None:
    script = Script(replies=["Yes."], drops_sideband_after="response.created")
    async with (
        simulated(script) as (simulator, http),
        connected(http, simulator) as (_, sideband, call_id),
    ):
        await sideband.send("response.create")
        assert await sideband.is_closed() is aiohttp.WSMsgType.ERROR
        await simulator.journal.until(
            lambda e: e.type == "response.done" and e.connection.startswith("data-channel")
        )
        async with attached(http, simulator, call_id) as again:
            await again.send("response.create")
            await again.until("response.created")


@pytest.mark.parametrize(("tells", "status"), [(True, 404), (False, 200)])
async def test_a_caller_who_leaves_ends_the_call_or_not(tells: bool, status: int) -> None:
    async with (
        simulated(Script(tells_of_leaving=tells)) as (simulator, http),
        connected(http, simulator) as (caller, sideband, call_id),
    ):
        await caller.leave()
        if tells:
            assert await sideband.is_closed() is aiohttp.WSMsgType.CLOSE
        else:
            await sideband.send("session.update", session={"type": "realtime"})
            await sideband.until("session.updated")
        assert await hang_up(http, simulator, call_id) == status


async def test_shuffled_events_are_complete_and_conform() -> None:
    script = Script(
        replies=[Reply(says="One two.", speaks_ms=60, calls=[Call(name="a"), Call(name="b")])],
        order=Order.SHUFFLED,
    )
    async with (
        simulated(script) as (simulator, http),
        connected(http, simulator) as (_, sideband, _call),
    ):
        await sideband.send("response.create")
        await sideband.until("output_audio_buffer.stopped")
        if "response.done" not in {event["type"] for event in sideband.events}:
            await sideband.until("response.done")
        counts = Counter(event["type"] for event in sideband.events)
        assert counts["conversation.item.added"] == counts["response.output_item.done"] == 3
        assert counts["response.function_call_arguments.done"] == 2


async def test_words_can_be_put_into_the_callers_mouth() -> None:
    async with (
        simulated(Script(replies=[Reply(when="status", says="All is well.")])) as (simulator, http),
        connected(http, simulator) as (_, sideband, call_id),
    ):
        simulator.speak(call_id, "What is the status?", lasts_ms=50)
        said = await sideband.until("response.output_audio_transcript.done")
        assert said["transcript"] == "All is well."
        simulator.speak(call_id, Heard(text="And now?"), lasts_ms=50)
        heard = await sideband.until("conversation.item.input_audio_transcription.completed")
        assert heard["transcript"] in {"What is the status?", "And now?"}


async def test_an_expired_session_says_so_and_is_gone() -> None:
    async with (
        simulated(Script(lasts_ms=400)) as (simulator, http),
        connected(http, simulator) as (_, sideband, call_id),
    ):
        assert (await sideband.until("error"))["error"]["code"] == "session_expired"
        assert await sideband.is_closed() is aiohttp.WSMsgType.ERROR
        assert sideband.socket.close_code == 1001
        assert await hang_up(http, simulator, call_id) == 404
