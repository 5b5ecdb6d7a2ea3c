"""From the end of what a caller says to the first sound of the answer, stage by stage."""

from __future__ import annotations

__all__ = ["measure"]

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import aiohttp

from agentfield.simulator.caller import RECORDING_RATE, Caller, calling
from agentfield.simulator.speech import local_speech
from agentfield.simulator.vad import loudness
from bench.children import FIRST_BERTHS, SILENCE_MS, berth
from bench.measure import columns, three
from bench.processes import processor, tells
from bench.provider import HEADERS, Entry, Provider, at_provider
from bench.servers import Addresses, connected, control_plane, harbour_agent, voice_provider
from bench.sessions import Sessions

QUESTIONS = (
    "Where is the ship from Oslo?",
    "Where is the ship with the coffee?",
    "Where is the red ship now?",
    "Where is the ship that left on Monday?",
    "Where is the oldest ship?",
    "Where is the ship with the bananas?",
    "Where is the ship of the queen?",
    "Where is the ship that came last night?",
)
IDLE_SECONDS = 3.0
PATIENCE = 20.0
TITLE = (
    "voice: ms from the end of a spoken question to the first sound of the answer that a tool gave"
)
TOOL = {
    "type": "function",
    "name": "find_ship",
    "description": "Where a ship is.",
    "parameters": {
        "type": "object",
        "properties": {"question": {"type": "string"}},
        "required": ["question"],
    },
}
SESSION = {
    "type": "realtime",
    "model": "gpt-realtime",
    "tools": [TOOL],
    "audio": {
        "input": {
            "transcription": {"model": "gpt-4o-mini-transcribe"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": SILENCE_MS},
        }
    },
}
HEARD = "conversation.item.input_audio_transcription.completed"
CALLED = "response.function_call_arguments.done"
STAGES = (
    ("transport, and the silence that ends a turn", "input_audio_buffer.speech_stopped"),
    ("recognition", HEARD),
    ("the mind chooses a tool", CALLED),
    ("the tool, and the request to go on", "response.created"),
    ("the mind words the answer", "response.output_item.added"),
    ("speech of its first piece", "output_audio_buffer.started"),
)
PLAYED, ALL = "playout, to the first audible sound", "all of it"


@dataclass(slots=True, kw_only=True)
class _Subject:
    name: str
    call_id: str
    caller: Caller
    turns: list[Mapping[str, float]] = field(default_factory=list)
    """Of every turn, what its stages took."""


async def measure() -> str:
    """Return the tables."""
    async with local_speech() as speech:
        said = [
            b"".join([each.pcm async for each in speech.mouth.speak(text)]) for text in QUESTIONS
        ]
    async with (
        voice_provider() as provided,
        control_plane(provider=provided.http) as plane,
        harbour_agent(plane.grpc),
        connected(plane.grpc) as channel,
        at_provider(provided.http) as provider,
        _alone(provided.http) as alone,
        _through(Sessions(channel)) as through,
    ):
        idle = await _used(provided, IDLE_SECONDS) if tells() else None
        before, began = processor(provided) if tells() else 0.0, time.time()
        for question in said:
            for subject in (alone, through):
                subject.turns.append(await _turn(subject, provider, _without_end(question)))
        busy = (processor(provided) - before) / (time.time() - began) if tells() else None
        quality = [await each.caller.reception() for each in (alone, through)]
    rows = [("stage", alone.name, "most", through.name, "most")]
    for stage in (*(name for name, _ in STAGES), PLAYED, ALL):
        cells = [_cells(subject.turns, stage) for subject in (alone, through)]
        rows.append((stage, *cells[0], *cells[1]))
    told = [
        f"{len(QUESTIONS)} questions each; medians. At the caller {each.packets} packets, "
        f"{each.lost} lost, jitter {three(each.jitter_ms)} ms"
        for each in quality
    ]
    if idle is not None and busy is not None:
        told.append(
            f"processor of the provider: {idle:.1%} of a core with two silent calls, "
            f"{busy:.1%} while one of them is spoken on"
        )
    return "\n".join([TITLE, *columns(rows), *told])


def _cells(turns: Sequence[Mapping[str, float]], stage: str) -> tuple[str, str]:
    values = [turn[stage] * 1000 for turn in turns]
    return three(median(values)), three(max(values))


async def _used(process: Addresses, seconds: float) -> float:
    before = processor(process)
    await asyncio.sleep(seconds)
    return (processor(process) - before) / seconds


@asynccontextmanager
async def _alone(origin: str) -> AsyncIterator[_Subject]:
    """Call the provider itself; a bare sideband answers for the tool, with nothing in between."""
    realtime = f"{origin}/v1/realtime"
    form = aiohttp.FormData(default_to_multipart=True)
    async with (
        aiohttp.ClientSession(headers=HEADERS) as http,
        calling(data_channel=False, host="127.0.0.1") as caller,
        asyncio.TaskGroup() as tasks,
    ):
        form.add_field("sdp", await caller.offer(), content_type="application/sdp")
        form.add_field("session", json.dumps(SESSION), content_type="application/json")
        async with http.post(f"{realtime}/calls", data=form) as answer:
            answer.raise_for_status()
            await caller.take(await answer.text())
            call_id = answer.headers["Location"].rpartition("/")[2]
        async with http.ws_connect(realtime, params={"call_id": call_id}) as sideband:
            answering = tasks.create_task(_answer(sideband))
            await caller.hears_silence()
            yield _Subject(name="the provider alone", call_id=call_id, caller=caller)
            answering.cancel()


async def _answer(sideband: aiohttp.ClientWebSocketResponse) -> None:
    """Answer each function call at once, and have the model go on."""
    numbers = itertools.count(FIRST_BERTHS[0])
    async for message in sideband:
        event = json.loads(message.data)
        if event["type"] == CALLED:
            output = json.dumps({"spoken_response": berth(next(numbers))})
            item = {"type": "function_call_output", "call_id": event["call_id"], "output": output}
            await sideband.send_json({"type": "conversation.item.create", "item": item})
        elif event["type"] == "response.done" and _calls(event["response"]):
            await sideband.send_json({"type": "response.create"})


def _calls(response: Mapping[str, Any]) -> bool:
    return any(item["type"] == "function_call" for item in response["output"])


@asynccontextmanager
async def _through(sessions: Sessions) -> AsyncIterator[_Subject]:
    """Call an agent's session, whose tool the control plane has the agent run."""
    session_id = (await sessions.start("harbour.voice")).session_id
    async with calling(data_channel=False, host="127.0.0.1") as caller:
        async with sessions.watched(session_id) as live:
            await caller.take(await sessions.offer(session_id, await caller.offer()))
            await live
        await caller.hears_silence()
        call_id = await sessions.call_id(session_id)
        yield _Subject(name="through the control plane", call_id=call_id, caller=caller)
        await sessions.end(session_id)


async def _turn(subject: _Subject, provider: Provider, question: bytes) -> Mapping[str, float]:
    """Have a question asked and answered, to the end of the answer; return what stages took."""
    after, caller = await provider.mark(), subject.caller
    caller.say(question, rate=RECORDING_RATE)
    await caller.said()
    times = [time.time()]
    caller.attend()
    await caller.hears_voice(seconds=PATIENCE)
    audible = time.time()
    entries = await _answered(provider, subject.call_id, after)
    await caller.hears_silence(seconds=PATIENCE)
    for _, kind in STAGES:
        times.append(_first(entries, kind, times[-1]))
    times.append(audible)
    names = [*(name for name, _ in STAGES), PLAYED]
    pairs = zip(names, itertools.pairwise(times), strict=True)
    return {name: until - since for name, (since, until) in pairs} | {ALL: audible - times[0]}


async def _answered(provider: Provider, call_id: str, after: int) -> Sequence[Entry]:
    """Return what the provider has sent of a turn, once its answer has been played."""
    async with asyncio.timeout(PATIENCE):
        while True:
            entries = await provider.journal(
                after=after, call_id=call_id, connection="sideband", direction="sent"
            )
            if any(each["body"]["type"] == "output_audio_buffer.stopped" for each in entries):
                return entries
            await asyncio.sleep(0.1)


def _first(entries: Sequence[Entry], kind: str, since: float) -> float:
    return next(
        float(each["at"]) for each in entries if each["body"]["type"] == kind and each["at"] > since
    )


def _without_end(samples: bytes) -> bytes:
    """Cut off the silence after the last word, which is no part of a question."""
    piece = RECORDING_RATE // 50 * 2
    end = len(samples)
    while end > piece and loudness(samples[end - piece : end]) < 0.01:
        end -= piece
    return samples[:end]
