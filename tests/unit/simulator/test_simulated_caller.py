"""What the simulator's caller makes of the audio that it gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

from agentfield.simulator.caller import Caller, calling
from agentfield.simulator.sound import Microphone
from agentfield.simulator.tone import pcm_tone
from agentfield.simulator.vad import loudness

pytestmark = pytest.mark.unit

LOUD = pcm_tone(20, rate=48_000)
SILENT = bytes(len(LOUD))


class Line(MediaStreamTrack):
    """A track with the frames that a test puts into it."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._frames: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def carries(self, *frames: bytes | None) -> None:
        """Send frames, None for the end, and wait until they have been heard."""
        for frame in frames:
            self._frames.put_nowait(frame)
        await self._frames.join()

    async def recv(self) -> AudioFrame:
        if (samples := await self._frames.get()) is None:
            self._frames.task_done()
            raise MediaStreamError
        asyncio.get_running_loop().call_soon(self._frames.task_done)
        frame = AudioFrame(format="s16", layout="mono", samples=len(samples) // 2)
        frame.planes[0].update(samples)
        frame.sample_rate = 48_000
        return frame


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Caller, Line]]:
    line = Line()
    async with calling(data_channel=False) as caller, asyncio.TaskGroup() as tasks:
        listening = tasks.create_task(caller.listen(line))
        yield caller, line
        listening.cancel()


async def hears(caller: Caller) -> str:
    """Return what the caller hears without waiting, and remembers to have heard."""
    heard = ""
    for what, hearing in (
        ("voice", caller.hears_voice),
        ("silence", caller.hears_silence),
        ("anything", caller.hears_anything),
    ):
        try:
            await hearing(seconds=0)
        except TimeoutError:
            continue
        heard += f" {what}"
    return heard.strip()


async def test_whatever_comes_first_the_caller_is_connected() -> None:
    for first, expected in ((LOUD, "voice anything"), (SILENT, "silence anything")):
        async with connected() as (caller, line):
            assert await hears(caller) == ""
            await line.carries(first)
            assert await hears(caller) == expected


async def test_a_voice_is_heard_while_it_lasts_and_afterwards_once() -> None:
    async with connected() as (caller, line):
        await line.carries(LOUD, SILENT)
        await caller.hears_voice()
        assert await hears(caller) == "silence anything"
        await line.carries(LOUD)
        await caller.hears_voice()
        await line.carries(LOUD)
        assert await hears(caller) == "voice anything"
        await line.carries(SILENT)
        assert await hears(caller) == "silence anything"


async def test_a_voice_before_a_silence_that_was_waited_for_is_not_heard_again() -> None:
    async with connected() as (caller, line):
        await line.carries(LOUD, SILENT)
        await caller.hears_silence()
        assert await hears(caller) == "silence anything"


async def test_who_speaks_has_heard_what_was_said_before() -> None:
    async with connected() as (caller, line):
        await line.carries(LOUD, SILENT)
        caller.speak()
        assert await hears(caller) == "silence anything"


async def test_a_line_that_ends_in_the_middle_of_a_word_is_neither_heard_nor_silent() -> None:
    async with connected() as (caller, line):
        await line.carries(LOUD)
        await caller.hears_voice()
        await line.carries(None)
        assert await hears(caller) == "anything"


async def test_a_caller_records_what_is_heard_from_then_on() -> None:
    async with connected() as (caller, line):
        await line.carries(LOUD)
        assert caller.recorded() == b""
        caller.record()
        await line.carries(LOUD, SILENT, LOUD)
        assert len(caller.recorded()) in range(55 * 48, 61 * 48)
        assert loudness(caller.recorded()) > 0.1
        caller.record()
        await line.carries(SILENT)
        assert loudness(caller.recorded()) == 0


async def test_a_microphone_says_one_thing_after_the_other_and_is_silent_afterwards() -> None:
    microphone = Microphone()
    said = asyncio.ensure_future(microphone.said())
    microphone.play(LOUD + LOUD[:960])
    microphone.play(SILENT[:960] + LOUD)
    levels = [loudness(bytes((await microphone.recv()).planes[0])) for _ in range(4)]
    assert [level > 0.05 for level in levels] == [True, True, True, False]
    await said
    assert loudness(bytes((await microphone.recv()).planes[0])) == 0


async def test_a_tone_takes_the_place_of_what_was_to_be_said() -> None:
    microphone = Microphone()
    microphone.play(SILENT * 50)
    microphone.tone(20)
    assert bytes((await microphone.recv()).planes[0]) == LOUD
    assert bytes((await microphone.recv()).planes[0]) == SILENT
