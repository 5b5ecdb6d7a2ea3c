"""The simulator with ears, a mind and a mouth, over real WebRTC and WebSocket."""

from __future__ import annotations

import asyncio
import base64
import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError
from support.senses import SaidEars, ToneMouth, ToneSpeech, WordyMind

from agentfield.simulator import Call, Entry, Reply, Script, Simulator, running
from agentfield.simulator.caller import Caller, calling
from agentfield.simulator.conformance import violations
from agentfield.simulator.senses import SenseFailed, Thought
from agentfield.simulator.tone import pcm_tone
from agentfield.simulator.vad import loudness

pytestmark = pytest.mark.integration

SESSION: Any = {
    "type": "realtime",
    "audio": {
        "input": {
            "transcription": {"model": "gpt-4o-mini-transcribe"},
            "turn_detection": {
                "type": "server_vad",
                "silence_duration_ms": 300,
                "prefix_padding_ms": 200,
            },
        },
        "output": {"voice": "marin"},
    },
}
WORDS = "the words of somebody"


def echo(thought: Thought) -> Reply:
    """Repeat what was said last."""
    return Reply(says=f"You said: {thought.items[-1]['content'][0]['transcript']}")


@asynccontextmanager
async def simulated(
    speech: ToneSpeech, thinks: Callable[[Thought], Reply] = echo, script: Script | None = None
) -> AsyncIterator[tuple[Simulator, AsyncOpenAI]]:
    async with (
        running(speech=speech, mind=WordyMind(thinks), script=script) as simulator,
        AsyncOpenAI(base_url=simulator.base_url, api_key="any") as client,
    ):
        yield simulator, client
    assert violations(simulator.journal.entries()) == []


@asynccontextmanager
async def call(client: AsyncOpenAI, session: Any = None) -> AsyncIterator[tuple[Caller, str]]:
    """Place a call, with media flowing; yield the caller and the id of the call."""
    async with calling() as caller:
        answer = await client.realtime.calls.with_raw_response.create(
            sdp=await caller.offer(), session=session or SESSION
        )
        await caller.take(answer.text)
        await caller.hears_silence()
        yield caller, answer.headers["location"].rsplit("/", 1)[-1]


async def until(simulator: Simulator, kind: str, *, after: int = 0) -> Entry:
    return await simulator.journal.until(
        lambda entry: entry.type == kind and entry.number > after, seconds=10
    )


async def test_a_caller_is_understood_and_answered_with_a_voice() -> None:
    speech = ToneSpeech(ears=SaidEars(hears=["Where is my hat?"]))
    async with simulated(speech) as (simulator, client), call(client) as (caller, _):
        caller.record()
        caller.say(bytes(96 * 500) + pcm_tone(600, rate=48_000))
        await caller.hears_voice()
        stopped = await until(simulator, "output_audio_buffer.stopped")
        await caller.hears_silence()
    heard = await until(simulator, "conversation.item.input_audio_transcription.completed")
    assert heard.body["transcript"] == "Where is my hat?"
    assert speech.mouth.said == [("You said: Where is my hat?", "marin")]
    (utterance,) = speech.ears.heard
    assert len(utterance) // 32 in range(1050, 1400)  # 200 before it and 300 after it
    assert loudness(utterance[: 100 * 32]) < 0.01 < loudness(utterance)
    started = await until(simulator, "output_audio_buffer.started")
    assert stopped.at - started.at > 0.3
    assert loudness(caller.recorded()) > 0.01


async def test_a_function_is_called_with_what_was_heard_and_its_result_is_spoken() -> None:
    def thinks(thought: Thought) -> Reply:
        newest = thought.items[-1]
        if newest["type"] == "function_call_output":
            return Reply(says=f"It is {newest['output']}.")
        query = newest["content"][0]["transcript"]
        return Reply(calls=[Call(name=thought.tools[0].name, arguments={"query": query})])

    speech = ToneSpeech(ears=SaidEars(hears=["My hat"]))
    tools = [{"type": "function", "name": "find", "parameters": {"type": "object"}}]
    async with (
        simulated(speech, thinks) as (_, client),
        call(client, SESSION | {"tools": tools}) as (caller, call_id),
        client.realtime.connect(call_id=call_id) as sideband,
    ):
        caller.speak()
        async for event in sideband:
            if event.type == "response.function_call_arguments.done":
                assert (event.name, event.arguments) == ("find", '{"query": "My hat"}')
                output: Any = {"type": "function_call_output", "call_id": event.call_id}
                await sideband.conversation.item.create(item=output | {"output": "on your head"})
            elif event.type == "response.done" and event.response.output:
                if event.response.output[0].type == "message":
                    break
                await sideband.response.create()
        await caller.hears_voice()
    assert [text for text, _ in speech.mouth.said] == ["It is on your head."]


async def test_who_speaks_over_a_voice_hushes_it_and_nothing_more_is_made() -> None:
    speech = ToneSpeech(
        ears=SaidEars(hears=["Tell me.", "Enough."]),
        mouth=ToneMouth(sentence_ms=20_000, waits_after=1),
    )
    async with (
        simulated(speech, lambda _: Reply(says="A long story. It goes on.")) as (simulator, client),
        call(client) as (caller, _),
    ):
        caller.speak()
        await caller.hears_voice()
        caller.speak()
        cleared = await until(simulator, "output_audio_buffer.cleared")
        await caller.hears_silence()
        async with asyncio.timeout(5):
            await speech.mouth.stopped.wait()
        truncated = await until(simulator, "conversation.item.truncated")
        done = await until(simulator, "response.done")
    assert done.body["response"]["status_details"]["reason"] == "turn_detected"
    assert cleared.body["response_id"] == done.body["response"]["id"]
    assert 0 < truncated.body["audio_end_ms"] < 20_000


async def test_a_call_that_ends_stops_what_is_done_for_it() -> None:
    speech = ToneSpeech(ears=SaidEars(hears=["Go."]), mouth=ToneMouth(waits_after=0))
    async with simulated(speech) as (simulator, client), call(client) as (caller, call_id):
        caller.speak()
        await until(simulator, "response.content_part.added")
        await client.realtime.calls.hangup(call_id)
        async with asyncio.timeout(5):
            await speech.mouth.stopped.wait()


@pytest.mark.parametrize("sense", ["ears", "mind", "mouth"])
async def test_a_sense_that_fails_fails_one_answer_and_tells_nobody_what_was_said(
    sense: str, caplog: pytest.LogCaptureFixture
) -> None:
    error = RuntimeError(WORDS)
    speech = ToneSpeech(ears=SaidEars(hears=[WORDS, WORDS]))

    def thinks(_: Thought) -> Reply:
        if sense == "mind" and len(caplog.records) == 0:
            raise error
        return Reply(says=WORDS)

    if sense == "ears":
        speech.ears.hears[0] = error
    if sense == "mouth":
        speech.mouth.fails = error
    with caplog.at_level(logging.WARNING, "agentfield.simulator"):
        async with simulated(speech, thinks) as (simulator, client), call(client) as (caller, _):
            caller.speak()
            failed = await until(simulator, "response.done")
            speech.mouth.fails = None
            caller.speak()
            answered = await until(simulator, "response.done", after=failed.number)
    assert failed.body["response"]["status"] == "failed"
    assert answered.body["response"]["status"] == "completed"
    kinds = [entry.type for entry in simulator.journal.entries() if entry.number < failed.number]
    unheard = "conversation.item.input_audio_transcription.failed"
    assert (unheard in kinds) == (sense == "ears")
    (record,) = caplog.records
    assert WORDS not in caplog.text
    assert WORDS not in str(vars(record))
    assert (vars(record)["sense"], vars(record)["error"]) == (sense, "RuntimeError")


async def test_a_sense_that_knows_what_may_be_told_has_it_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    mouth = ToneMouth(fails=SenseFailed("the mouth is on strike"))
    async with (
        simulated(ToneSpeech(mouth=mouth)) as (_, client),
        client.realtime.connect(model="gpt-realtime") as session,
    ):
        await session.response.create(response={"instructions": 'Say "Yes."'})
        async with asyncio.timeout(10):
            async for event in session:
                if event.type == "response.done":
                    break
    (record,) = caplog.records
    assert vars(record)["error"] == "the mouth is on strike"


async def test_ears_that_cannot_follow_leave_the_call_alive(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def probability(self, pcm: bytes) -> float:
            raise RuntimeError(WORDS)

    speech = ToneSpeech()
    monkeypatch.setattr(speech.ears, "listener", Broken)
    async with simulated(speech) as (_, client), call(client) as (caller, call_id):
        caller.speak()
        await caller.said()
        async with client.realtime.connect(call_id=call_id) as sideband:
            await sideband.response.create(response={"instructions": 'Say "Are you there?"'})
            await caller.hears_voice()
    assert [record.levelname for record in caplog.records if "ears" in record.message] == ["ERROR"]
    assert WORDS not in caplog.text


async def test_the_official_client_speaks_and_listens_over_a_websocket() -> None:
    speech = ToneSpeech(ears=SaidEars(hears=["Hello."]))
    audio = b""
    async with (
        simulated(speech) as (_, client),
        client.realtime.connect(model="gpt-realtime") as session,
    ):
        await session.session.update(session=SESSION)
        said = bytes(48 * 300) + pcm_tone(500) + bytes(48 * 600)
        for start in range(0, len(said), 4800):
            piece = base64.b64encode(said[start : start + 4800]).decode()
            await session.input_audio_buffer.append(audio=piece)
        async with asyncio.timeout(10):
            async for event in session:
                if event.type == "response.output_audio.delta":
                    audio += base64.b64decode(event.delta)
                if event.type == "response.done":
                    break
    assert audio == pcm_tone(400)
    (utterance,) = speech.ears.heard
    assert len(utterance) // 32 in range(960, 1040)  # 200 before, 500 of it, 300 of silence


async def test_what_a_client_commits_is_understood_as_it_is() -> None:
    speech = ToneSpeech(ears=SaidEars(hears=["First.", "Second."]))
    session: Any = SESSION | {"audio": {"input": {"turn_detection": None}}}
    async with (
        simulated(speech) as (_, client),
        client.realtime.connect(model="gpt-realtime") as connection,
    ):
        await connection.session.update(session=session)
        for forgotten_ms, said_ms in ((1000, 300), (0, 500)):
            await connection.input_audio_buffer.append(
                audio=base64.b64encode(bytes(48 * forgotten_ms)).decode()
            )
            await connection.input_audio_buffer.clear()
            await connection.input_audio_buffer.append(
                audio=base64.b64encode(pcm_tone(said_ms)).decode()
            )
            await connection.input_audio_buffer.commit()
        await connection.response.create()
        async with asyncio.timeout(10):
            async for event in connection:
                if event.type == "response.done":
                    break
    assert speech.mouth.said[0][0] == "You said: Second."
    lengths = [len(each) // 32 for each in speech.ears.heard]
    assert [abs(length - said) < 20 for length, said in zip(lengths, (300, 500), strict=True)]


async def test_a_very_long_utterance_is_understood_in_parts() -> None:
    speech = ToneSpeech(ears=SaidEars(hears=["One.", "Two."]))
    async with (
        simulated(speech) as (simulator, client),
        client.realtime.connect(model="gpt-realtime") as session,
    ):
        await session.session.update(session=SESSION)
        said = pcm_tone(35_000) + bytes(48 * 600)
        for start in range(0, len(said), 48_000):
            piece = base64.b64encode(said[start : start + 48_000]).decode()
            await session.input_audio_buffer.append(audio=piece)
        committed = await until(simulator, "input_audio_buffer.committed")
        await until(simulator, "input_audio_buffer.committed", after=committed.number)
        await until(simulator, "response.output_audio_transcript.done")
    assert [round(len(each) / 32_000) for each in speech.ears.heard] == [30, 5]
    assert speech.mouth.said[-1][0] == "You said: Two."


async def test_opus_is_spoken_whatever_an_offer_prefers_and_nothing_else_is() -> None:
    speech = ToneSpeech()
    async with simulated(speech) as (_, client), calling() as caller:
        offer = await caller.offer()
        (opus,) = re.findall(r"a=rtpmap:(\d+) opus/48000", offer)
        create = client.realtime.calls.with_raw_response.create
        preferring = re.sub(r"(m=audio \d+ \S+) .*", rf"\1 0 8 {opus}\r", offer)
        answer = (await create(sdp=preferring, session=SESSION)).text
        assert re.findall(r"a=rtpmap:\d+ (\w+)", answer) == ["opus"]
        without = re.sub(rf"a=(rtpmap|fmtp|rtcp-fb):{opus} .*\r\n", "", offer)
        without = re.sub(r"(m=audio \d+ \S+) .*", r"\1 0 8\r", without)
        with pytest.raises(BadRequestError, match="SDP"):
            await create(sdp=without, session=SESSION)


async def test_who_is_really_heard_may_pause_for_breath() -> None:
    async with (
        simulated(ToneSpeech()) as (_, client),
        client.realtime.connect(model="gpt-realtime") as session,
    ):
        created: Any = await session.recv()
        detection = created.session.audio.input.turn_detection
        assert detection.silence_duration_ms == 500
