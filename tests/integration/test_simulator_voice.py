"""A provider that really hears, decides and speaks, on this machine: models, rules and a voice."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import re
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from openai import AsyncOpenAI

from agentfield.simulator import Entry, Simulator, running
from agentfield.simulator.audio import resampled
from agentfield.simulator.caller import RECORDING_RATE, Caller, calling
from agentfield.simulator.conformance import violations
from agentfield.simulator.mind import LocalMind
from agentfield.simulator.speech import LocalSpeech, local_speech

pytestmark = pytest.mark.integration

TOOLS = [
    {
        "type": "function",
        "name": "find_order",
        "description": "Where an order of the customer is",
        "parameters": {
            "type": "object",
            "properties": {"query": {"type": "string"}},
            "required": ["query"],
        },
    },
    {
        "type": "function",
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {}},
    },
]
SESSION: Any = {
    "type": "realtime",
    "tools": TOOLS,
    "audio": {
        "input": {
            "transcription": {"model": "gpt-4o-mini-transcribe"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 500},
        }
    },
}
QUESTION = "Where is the order that I made on Monday?"
ANSWER = "Your parcel left Hamburg this morning and arrives on Friday."
STORY = " ".join([ANSWER] * 5)
PATIENCE = 30.0


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def resembles(heard: str, text: str) -> bool:
    """Return whether most words of a text were heard; recognition mistakes some for others."""
    return len(words(heard) & words(text)) >= len(words(text)) * 0.6


async def said(speech: LocalSpeech, text: str) -> bytes:
    """Return a text as samples of 24 kHz, with silence around it."""
    silence = bytes(48 * 300)
    return silence + b"".join([each.pcm async for each in speech.mouth.speak(text)]) + silence


@asynccontextmanager
async def provider() -> AsyncIterator[tuple[LocalSpeech, Simulator, AsyncOpenAI]]:
    async with (
        local_speech() as speech,
        running(speech=speech, mind=LocalMind()) as simulator,
        AsyncOpenAI(base_url=simulator.base_url, api_key="any") as client,
    ):
        yield speech, simulator, client
    assert violations(simulator.journal.entries()) == []


@asynccontextmanager
async def call(client: AsyncOpenAI) -> AsyncIterator[tuple[Caller, str]]:
    async with calling() as caller:
        answer = await client.realtime.calls.with_raw_response.create(
            sdp=await caller.offer(), session=SESSION
        )
        await caller.take(answer.text)
        await caller.hears_silence()
        yield caller, answer.headers["location"].rsplit("/", 1)[-1]


async def until(simulator: Simulator, kind: str, *, after: int = 0) -> Entry:
    return await simulator.journal.until(
        lambda entry: entry.type == kind and entry.number > after, seconds=PATIENCE
    )


async def answered(simulator: Simulator, client: AsyncOpenAI, call_id: str, answer: str) -> str:
    """Answer the function call that comes, as a server would; return its arguments."""
    called = await until(simulator, "response.function_call_arguments.done")
    assert called.body["name"] == "find_order"
    output: Any = {"type": "function_call_output", "call_id": called.body["call_id"]}
    output["output"] = json.dumps({"spoken_response": answer})
    async with client.realtime.connect(call_id=call_id) as sideband:
        await until(simulator, "response.done")
        await sideband.conversation.item.create(item=output)
        await sideband.response.create()
        async with asyncio.timeout(PATIENCE):
            async for event in sideband:
                if event.type == "output_audio_buffer.started":
                    break
    return str(called.body["arguments"])


async def test_a_spoken_question_calls_a_function_and_its_result_is_heard() -> None:
    async with provider() as (speech, simulator, client), call(client) as (caller, call_id):
        caller.record()
        caller.say(await said(speech, QUESTION), rate=RECORDING_RATE)
        arguments = json.loads(await answered(simulator, client, call_id, ANSWER))
        await until(simulator, "output_audio_buffer.stopped")
        await caller.hears_silence()
        recorded = resampled(caller.recorded(), rate=RECORDING_RATE, to=16_000)
        understood = await speech.ears.transcribe(recorded)
    heard = await until(simulator, "conversation.item.input_audio_transcription.completed")
    assert arguments["query"] == heard.body["transcript"]
    assert resembles(arguments["query"], QUESTION)
    assert resembles(understood, ANSWER)
    said_ = await until(simulator, "response.output_audio_transcript.done")
    assert said_.body["transcript"] == ANSWER


async def test_who_speaks_over_the_voice_is_heardand_the_voice_falls_silent() -> None:
    async with provider() as (speech, simulator, client), call(client) as (caller, call_id):
        caller.say(await said(speech, QUESTION), rate=RECORDING_RATE)
        enough = await said(speech, "Stop, that is enough.")
        await answered(simulator, client, call_id, STORY)
        caller.say(enough, rate=RECORDING_RATE)
        cleared = await until(simulator, "output_audio_buffer.cleared")
        await caller.hears_silence()
        truncated = await until(simulator, "conversation.item.truncated")
        second = await until(
            simulator,
            "conversation.item.input_audio_transcription.completed",
            after=cleared.number,
        )
    assert 0 < truncated.body["audio_end_ms"] < len(STORY) * 60
    assert "enough" in words(second.body["transcript"])


async def test_noise_alone_is_no_speech_and_says_nothing() -> None:
    source = random.Random(7)  # noqa: S311 - it only has to sound
    noise = struct.pack("<96000h", *(source.randrange(-600, 600) for _ in range(96_000)))
    async with provider() as (_, simulator, client), call(client) as (caller, call_id):
        caller.say(noise)
        await caller.said()
        assert not simulator.journal.entries("input_audio_buffer.speech_started")
        async with client.realtime.connect(call_id=call_id) as sideband:
            await sideband.input_audio_buffer.commit()
            heard = await until(simulator, "conversation.item.input_audio_transcription.completed")
    assert heard.body["transcript"] == ""


async def test_the_official_client_talks_to_it_over_a_websocket() -> None:
    audio, transcripts = b"", []
    async with (
        provider() as (speech, _, client),
        client.realtime.connect(model="gpt-realtime") as session,
    ):
        await session.session.update(session=SESSION | {"tools": []})
        question = await said(speech, "Hello, what can you do for me?") + bytes(48 * 400)
        for start in range(0, len(question), 9600):
            piece = base64.b64encode(question[start : start + 9600]).decode()
            await session.input_audio_buffer.append(audio=piece)
        async with asyncio.timeout(PATIENCE):
            async for event in session:
                if event.type == "response.output_audio.delta":
                    audio += base64.b64decode(event.delta)
                if event.type == "response.output_audio_transcript.done":
                    transcripts.append(event.transcript)
                if event.type == "response.done":
                    break
        understood = await speech.ears.transcribe(resampled(audio, rate=RECORDING_RATE, to=16_000))
    (transcript,) = transcripts
    assert resembles(understood, transcript)


async def program(
    *arguments: str, before: str = "", **environment: str
) -> asyncio.subprocess.Process:
    code = f"import runpy, sys; {before}\nrunpy.run_module('agentfield.simulator', run_name='__main__')"
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | environment,
    )


async def ready(program: asyncio.subprocess.Process) -> dict[str, Any]:
    """Return what a program says when it is ready."""
    assert program.stdout is not None
    async with asyncio.timeout(PATIENCE):
        return dict(json.loads(await program.stdout.readline()))


@asynccontextmanager
async def chat_server(asked: list[tuple[str, Any]]) -> AsyncIterator[str]:
    """Serve chat completions that say the same every time; note keys and models."""

    async def complete(request: web.Request) -> web.Response:
        body = await request.json()
        asked.append((request.headers["Authorization"], body["model"]))
        message = {"role": "assistant", "content": "It is behind you."}
        return web.json_response({"choices": [{"message": message, "finish_reason": "stop"}]})

    app = web.Application()
    app.add_routes([web.post("/v1/chat/completions", complete)])
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


async def test_the_program_says_when_it_is_ready_to_talk() -> None:
    started = await program("--voice")
    line = await ready(started)
    started.terminate()
    async with asyncio.timeout(PATIENCE):
        await started.communicate()
    assert line["event"] == "ready"
    assert line["voice"] is True
    assert line["base_url"].startswith("http://127.0.0.1:")
    assert started.returncode == 0


async def test_the_program_has_a_chat_model_decide_where_there_is_one() -> None:
    asked: list[tuple[str, Any]] = []
    async with chat_server(asked) as url:
        flags = ("--voice", f"--chat-url={url}", "--chat-model=small")
        started = await program(*flags, AGENTFIELD_CHAT_API_KEY="its-key")
        base_url = (await ready(started))["base_url"]
        async with (
            AsyncOpenAI(base_url=base_url, api_key="any") as client,
            client.realtime.connect(model="gpt-realtime") as session,
        ):
            content: Any = [{"type": "input_text", "text": "Where is my hat?"}]
            item: Any = {"type": "message", "role": "user", "content": content}
            await session.conversation.item.create(item=item)
            await session.response.create()
            async with asyncio.timeout(PATIENCE):
                async for event in session:
                    if event.type == "response.output_audio_transcript.done":
                        assert event.transcript == "It is behind you."
                        break
        started.terminate()
        async with asyncio.timeout(PATIENCE):
            await started.communicate()
    assert asked == [("Bearer its-key", "small")]


@pytest.mark.parametrize(
    "flags", [["--chat-url=http://127.0.0.1:1/v1", "--chat-model=small"], ["--chat-model=small"]]
)
async def test_the_program_refuses_a_chat_model_that_it_would_not_ask(flags: list[str]) -> None:
    started = await program(*flags)
    async with asyncio.timeout(PATIENCE):
        _, errors = await started.communicate()
    assert started.returncode == 2
    assert b"--chat-url" in errors


async def test_the_program_says_what_is_missing_where_the_extra_is() -> None:
    started = await program("--voice", before="sys.modules['onnxruntime'] = None")
    async with asyncio.timeout(PATIENCE):
        _, errors = await started.communicate()
    assert started.returncode == 1
    (line,) = errors.decode().splitlines()
    assert line.startswith("error: ")
    assert 'pip install "agentfield-sessions[voice-local]"' in line
