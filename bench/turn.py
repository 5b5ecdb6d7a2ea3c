"""From a turn's transcript at the provider to the request to answer it, through a handler."""

from __future__ import annotations

__all__ = ["measure"]

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from agentfield.providers.openai_commands import speech_frame
from agentfield.sessions.provider import CreateSpeech
from bench.children import SAYS
from bench.disk import COMMIT, Disk, disk
from bench.provider import SCRIPT, Provider, an_offer, at_provider, configure
from bench.servers import connected, control_plane, simulator, voice_agent
from bench.sessions import Sessions
from bench.times import Round, Row, times_table

ROUNDS, TURNS = 6, 15
CYCLE = 0.12
"""Seconds from turn to turn: the caller's words, their transcript, and what is said to them."""
BARE, LED = "a bare sideband", "a handler's say"
TITLE = "turn: from a turn's transcript to response.create at the provider, by the provider's clock"
ROWS = (
    Row(name=BARE),
    Row(name=LED, yardstick=BARE),
    Row(name="until its commit begins", yardstick=LED, part=True),
    Row(name="commit, to the handler and back", yardstick=LED, part=True),
    Row(name="commit, then to the provider", yardstick=LED, part=True),
    Row(name=COMMIT, yardstick=BARE),
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
        at_provider(simulated.http) as provider,
    ):
        sessions, sdp = Sessions(channel), await an_offer()
        with disk() as own:
            rounds = [await _round(provider, sessions, sdp, own) for _ in range(ROUNDS)]
    return times_table(TITLE, ROWS, rounds[1:])


async def _round(provider: Provider, sessions: Sessions, sdp: str, own: Disk) -> Round:
    """Have two callers speak in turns, one to each; the first round warms up."""
    times: dict[str, list[float]] = {COMMIT: []}
    async with AsyncExitStack() as stack:
        bare = await stack.enter_async_context(_bare(provider, sdp))
        session_id, led = await _led(sessions, sdp)
        after = await provider.mark()
        for number in range(TURNS):
            for call_id in (bare, led) if number % 2 else (led, bare):
                await provider.speak(call_id)
                await asyncio.sleep(CYCLE)
            times[COMMIT].append(own.commit())
        turns = {call_id: await _turns(provider, call_id, after) for call_id in (bare, led)}
        await sessions.end(session_id)
    times[BARE] = [answered - heard for heard, answered in turns[bare]]
    times[LED] = [answered - heard for heard, answered in turns[led]]
    log = await sessions.times(session_id)
    logged = zip(log["turn.transcribed"], log["agent.asked"], strict=True)
    for (heard, answered), (stored, asked) in zip(turns[led], logged, strict=True):
        marks = (heard, stored, asked, answered)
        for name, one, next_ in zip(PARTS, marks[:-1], marks[1:], strict=True):
            times.setdefault(name, []).append(next_ - one)
    return times


async def _led(sessions: Sessions, sdp: str) -> tuple[str, str]:
    """Return the ids of a live session with a handler, and of its call."""
    session_id = (await sessions.start("voice.led")).session_id
    async with sessions.watched(session_id) as live:
        await sessions.offer(session_id, sdp)
        await live
    return session_id, await sessions.call_id(session_id)


@asynccontextmanager
async def _bare(provider: Provider, sdp: str) -> AsyncIterator[str]:
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


async def _turns(
    provider: Provider, call_id: str, after: int
) -> Sequence[tuple[float, float]]:
    """Return of every turn when its transcript was sent and when its answer was asked for."""
    entries = await provider.journal(after=after, call_id=call_id, connection=SIDEBAND)
    heard = [one["at"] for one in entries if one["body"]["type"] == HEARD]
    asked = [one["at"] for one in entries if one["body"]["type"] == CREATE]
    if not len(heard) == len(asked) == TURNS:
        raise RuntimeError(f"{TURNS} turns, {len(heard)} transcripts, {len(asked)} answers")
    return list(zip(heard, asked, strict=True))
