"""Sound on WebRTC tracks."""

from __future__ import annotations

__all__ = ["Microphone", "ToneTrack", "frames"]

import asyncio
import fractions
from collections.abc import AsyncIterator

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

from agentfield.simulator.audio import OPUS_RATE, PACKET_MS, pcm_frame
from agentfield.simulator.tone import pcm_tone

_BYTES_PER_MS = OPUS_RATE // 1000 * 2
_SILENCE = bytes(PACKET_MS * _BYTES_PER_MS)
_TONE = pcm_tone(PACKET_MS, rate=OPUS_RATE)


class _Paced(MediaStreamTrack):
    """Audio that is handed out in real time, 20 ms after 20 ms."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._sent_ms = 0
        self._clock = asyncio.get_running_loop()
        self._began = self._clock.time()

    async def _next(self) -> int:
        """Wait until it is time for the next piece, and return the sample it begins with."""
        await asyncio.sleep(max(0, self._began + self._sent_ms / 1000 - self._clock.time()))
        self._sent_ms += PACKET_MS
        return (self._sent_ms - PACKET_MS) * OPUS_RATE // 1000


class ToneTrack(_Paced):
    """A tone or silence."""

    def __init__(self) -> None:
        super().__init__()
        self.audible = False

    async def recv(self) -> AudioFrame:
        """Return the next frame when its time has come."""
        return _frame(await self._next(), _TONE if self.audible else _SILENCE)


class Microphone(_Paced):
    """What a caller says: samples, tones, and silence in between."""

    def __init__(self) -> None:
        super().__init__()
        self._to_say = bytearray()
        self._said = asyncio.Event()
        self._said.set()

    def play(self, samples: bytes) -> None:
        """Say this after what is still to be said: 16-bit samples of one channel at 48 kHz."""
        self._to_say += samples
        self._said.clear()

    def tone(self, ms: int) -> None:
        """Sound for so long from now on, in place of what is still to be said."""
        self._to_say.clear()
        self.play(pcm_tone(ms, rate=OPUS_RATE))

    async def said(self) -> None:
        """Wait until everything has been said."""
        await self._said.wait()

    async def recv(self) -> AudioFrame:
        """Return the next frame when its time has come."""
        starts_at = await self._next()
        samples = bytes(self._to_say[: len(_SILENCE)])
        del self._to_say[: len(_SILENCE)]
        if not samples:
            self._said.set()
        return _frame(starts_at, samples.ljust(len(_SILENCE), b"\0"))


def _frame(starts_at: int, samples: bytes) -> AudioFrame:
    frame = pcm_frame(samples, rate=OPUS_RATE)
    frame.pts, frame.time_base = starts_at, fractions.Fraction(1, OPUS_RATE)
    return frame


async def frames(track: MediaStreamTrack) -> AsyncIterator[AudioFrame]:
    """Yield the frames of a track until it ends."""
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return
        if isinstance(frame, AudioFrame) and frame.sample_rate:
            yield frame
