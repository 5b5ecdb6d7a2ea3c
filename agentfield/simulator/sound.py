"""Sound on WebRTC tracks."""

from __future__ import annotations

__all__ = ["ToneTrack", "frames"]

import asyncio
import fractions
from collections.abc import AsyncIterator

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

from agentfield.simulator.tone import pcm_tone

_RATE = 48_000
_FRAME_MS = 20
_SAMPLES = _RATE * _FRAME_MS // 1000
_SILENCE = bytes(_SAMPLES * 2)


class ToneTrack(MediaStreamTrack):
    """A tone or silence, in real time."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.audible = False
        self._tone_ms = 0
        self._sent_ms = 0
        self._clock = asyncio.get_running_loop()
        self._began = self._clock.time()

    def sound_for(self, ms: int) -> None:
        """Be audible for so long from now on."""
        self._tone_ms = ms

    async def recv(self) -> AudioFrame:
        """Return the next frame when its time has come."""
        await asyncio.sleep(max(0, self._began + self._sent_ms / 1000 - self._clock.time()))
        audible = self.audible or self._tone_ms > 0
        self._tone_ms -= _FRAME_MS
        frame = AudioFrame(format="s16", layout="mono", samples=_SAMPLES)
        frame.planes[0].update(pcm_tone(_FRAME_MS, rate=_RATE) if audible else _SILENCE)
        frame.sample_rate = _RATE
        frame.pts = self._sent_ms * _RATE // 1000
        frame.time_base = fractions.Fraction(1, _RATE)
        self._sent_ms += _FRAME_MS
        return frame


async def frames(track: MediaStreamTrack) -> AsyncIterator[tuple[bytes, int]]:
    """Yield the samples of a track and how many milliseconds they last, until it ends."""
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return
        if isinstance(frame, AudioFrame) and frame.sample_rate:
            yield bytes(frame.planes[0]), frame.samples * 1000 // frame.sample_rate
