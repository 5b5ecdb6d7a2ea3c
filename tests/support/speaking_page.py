"""The page at the gateway's root with a voice: a provider that hears and speaks on this machine."""

from __future__ import annotations

__all__ = ["Spoken", "spoken_words", "voiced"]

import asyncio
import base64
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import av

from agentfield import Agent, Client
from agentfield.simulator.mind import LocalMind
from agentfield.simulator.speech import LocalSpeech
from agentfield.testing import control_plane, simulator
from support.browser import Browsers, Microphone
from support.browser_calls import PAGES, Watched, watched
from support.page import Shown
from support.processes import PATIENCE

_RATE = 16_000
_LEAD_MS = 3000
"""As long as it may take on a busy machine from the microphone's opening until audio flows."""


class Spoken:
    """A call that is placed with the page: what the page shows, what is logged, what is heard."""

    def __init__(self, shown: Shown, session: Watched, speech: LocalSpeech) -> None:
        self.shown = shown
        self.session = session
        self._speech = speech

    async def statistics(self) -> dict[str, dict[str, Any]]:
        """Return the browser's own statistics of the audio, by type of report."""
        found: dict[str, dict[str, Any]] = await self._run("recorder.statistics()")
        return found

    async def heard_words(self) -> str:
        """End the recording of what the browser got, and return the words that are in it."""
        recording = base64.b64decode(await self._run("recorder.recording()"))
        pcm = await asyncio.to_thread(_samples, recording)
        return await self._speech.ears.transcribe(pcm)

    async def _run(self, script: str) -> Any:
        async with asyncio.timeout(PATIENCE):
            return await self.shown.page.evaluate(script)


def _samples(recording: bytes) -> bytes:
    """Return a recording as 16-bit samples of one channel at 16 kHz."""
    pcm = bytearray()
    resampler = av.AudioResampler(format="s16", layout="mono", rate=_RATE)
    with av.open(io.BytesIO(recording), "r") as file:
        for frame in file.decode(audio=0):
            for piece in resampler.resample(frame):
                pcm += bytes(piece.planes[0])[: piece.samples * 2]
    return bytes(pcm)


async def spoken_words(
    speech: LocalSpeech, words: str, wav: Path, *, pause_ms: int = 0, repeats: bool = False
) -> Microphone:
    """Return a microphone that hears somebody say these words."""
    pcm = b"".join([sound.pcm async for sound in speech.mouth.speak(words)])
    return Microphone.of(wav, pcm, lead_ms=_LEAD_MS, pause_ms=pause_ms, repeats=repeats)


@asynccontextmanager
async def voiced(
    browsers: Browsers,
    speech: LocalSpeech,
    agent: Agent,
    target: str,
    *,
    microphone: Microphone | None = None,
) -> AsyncIterator[Spoken]:
    """Give a test a call that is live, from the page to an agent; it is hung up at the end."""
    async with (
        simulator(speech=speech, mind=LocalMind()) as provider,
        control_plane(simulator=provider) as plane,
        agent.serving(),
        Client(plane.grpc_address) as client,
        browsers.visiting(
            f"http://{plane.http_address}/",
            microphone=microphone or browsers.silence,
            before=PAGES / "recorder.js",
        ) as visit,
    ):
        shown = Shown(visit, plane, client)
        await shown.call(target)
        async with watched(client, await shown.session_id()) as session:
            yield Spoken(shown, session, speech)
            await shown.hang_up()
            assert await session.ended() == "client_hangup"
