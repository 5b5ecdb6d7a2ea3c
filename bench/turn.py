"""From a turn's transcript at the provider to the request to answer it, through a handler."""

from __future__ import annotations

__all__ = ["bare", "led", "measure", "turns"]

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from agentfield.providers.openai_commands import speech_frame
from agentfield.sessions.provider import CreateSpeech
from bench.calls import execute
from bench.children import SAYS
from bench.disk import COMMIT, Disk, open_disk
from bench.provider import SCRIPT, Provider, an_offer, at_provider, configure
from bench.servers import connected, control_plane, empty_server, simulator, voice_agent
from bench.sessions import Sessions
from bench.times import Round, Row, times_table

ROUNDS, TURNS = 6, 12
CYCLE = 0.1
"""Seconds from turn to turn: the caller's words, their transcript, and what is said to them."""
BARE, LED = "a bare sideband", "a handler's say"
HOPS = "an empty gRPC handler, there and back"
TITLE = "turn: from a turn's transcript to response.create at the provider, by the provider's clock"
ROWS = (
    Row(name=BARE),
    Row(name=LED, yardstick=BARE),
    Row(name="until its commit begins", yardstick=LED, part=True),
    Row(name="commit, to the handler and back", yardstick=LED, part=True),
    Row(name="commit, then to the provider", yardstick=LED, part=True),
    Row(name=COMMIT, yardstick=BARE),
    Row(name=HOPS, yardstick=BARE),
)
PARTS = tuple(row.name for row in ROWS if row.part)
HEARD = "conversation.item.input_audio_transcription.completed"
CREATE = "response.create"
SIDEBAND = "sideband"


async def measure() -> str:
    """Return the table."""
    async with (
        simulator(SCRIPT) as simulated,
        control_plane(provider=simulated.http) as plane,
        voice_agent(plane.grpc),
        connected(plane.grpc) as channel,
        empty_server() as empty,
        connected(empty.grpc) as yardstick,
        at_provider(simulated.http) as provider,
    ):
        run = partial(_round, provider, Sessions(channel), await an_offer())
        hops = execute(yardstick, "bench.echo")
        with open_disk() as disk:
            rounds = [await run(disk, hops) for _ in range(ROUNDS)]
    return times_table(TITLE, ROWS, rounds[1:])


async def _round(
    provider: Provider,
    sessions: Sessions,
    sdp: str,
    disk: Disk,
    hops: Callable[[], Awaitable[object]],
) -> Round:
    """Have two callers speak in turns, one to each; the first round warms up."""
    times: dict[str, list[float]] = {COMMIT: [], HOPS: []}
    async with AsyncExitStack() as stack:
        yardstick = await stack.enter_async_context(bare(provider, sdp))
        session_id, own = await led(sessions, sdp)
        after = await provider.mark()
        for number in range(TURNS):
            for call_id in (yardstick, own) if number % 2 else (own, yardstick):
                await provider.speak(call_id)
                await asyncio.sleep(CYCLE)
            times[COMMIT].append(disk.commit())
            times[HOPS].append(await _timed(hops))
        plain = await turns(provider, yardstick, after)
        through = await turns(provider, own, after)
        await sessions.end(session_id)
    if not len(plain) == len(through) == TURNS:
        raise RuntimeError(f"of {TURNS} turns, {len(plain)} and {len(through)} were answered")
    times[BARE] = [answered - heard for heard, answered in plain]
    times[LED] = [answered - heard for heard, answered in through]
    log = await sessions.times(session_id)
    logged = zip(log["turn.transcribed"], log["agent.asked"], strict=True)
    for (heard, answered), (stored, asked) in zip(through, logged, strict=True):
        marks = (heard, stored, asked, answered)
        for name, one, next_ in zip(PARTS, marks[:-1], marks[1:], strict=True):
            times.setdefault(name, []).append(next_ - one)
    return times


async def led(sessions: Sessions, sdp: str) -> tuple[str, str]:
    """Return the ids of a live session with a handler, and of its call."""
    session_id = (await sessions.start("voice.led")).session_id
    async with sessions.watched(session_id) as live:
        await sessions.offer(session_id, sdp)
        await live
    return session_id, await sessions.call_id(session_id)


@asynccontextmanager
async def bare(provider: Provider, sdp: str) -> AsyncIterator[str]:
    """Answer the turns of a call in this process, with nothing in between; yield the call's id."""
    call_id = await provider.offer(sdp)
    frame = json.dumps(speech_frame(CreateSpeech(command_id="bench", say=SAYS)))
    async with asyncio.TaskGroup() as tasks, provider.attached(call_id) as sideband:
        await configure(sideband)

        async def answer() -> None:
            async for message in sideband:
                if json.loads(message.data)["type"] == HEARD:
                    await sideband.send_str(frame)

        answering = tasks.create_task(answer())
        yield call_id
        answering.cancel()
        await provider.hang_up(call_id)


async def turns(provider: Provider, call_id: str, after: int) -> Sequence[tuple[float, float]]:
    """Return of every answered turn when its transcript was sent and when its answer was asked for.

    A call's turns do not overlap.
    """
    entries = await provider.journal(after=after, call_id=call_id, connection=SIDEBAND)
    heard = [one["at"] for one in entries if one["body"]["type"] == HEARD]
    asked = [one["at"] for one in entries if one["body"]["type"] == CREATE]
    return list(zip(heard, asked, strict=False))


async def _timed(call: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await call()
    return time.perf_counter() - began
