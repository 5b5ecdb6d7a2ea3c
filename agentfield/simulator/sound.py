"""Sound on WebRTC tracks."""

from __future__ import annotations

__all__ = ["Microphone", "PacketTrack", "frames"]

import asyncio
import fractions
import functools
import itertools
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, Packet

from agentfield.simulator.audio import OPUS_RATE, PACKET_MS, opus_packets, pcm_frame
from agentfield.simulator.tone import pcm_tone

_BYTES_PER_MS = OPUS_RATE // 1000 * 2
_SILENCE = bytes(PACKET_MS * _BYTES_PER_MS)
_TIME_BASE = fractions.Fraction(1, OPUS_RATE)


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


class PacketTrack(_Paced):
    """What the provider says, encoded before: speech, a tone, and silence in between."""

    def __init__(self) -> None:
        super().__init__()
        self._to_play: deque[bytes] = deque()
        self._tone: Iterator[bytes] | None = None

    def play(self, packets: Sequence[bytes] | None) -> None:
        """Play Opus packets of 20 ms after those still to be played; None: a tone until hushed."""
        if packets is None:
            self._tone = itertools.cycle(_tone())
        else:
            self._to_play.extend(packets)

    def hush(self) -> None:
        """Be silent from the next packet on."""
        self._tone = None
        self._to_play.clear()

    async def recv(self) -> Packet[Any]:
        """Return the next packet when its time has come."""
        starts_at = await self._next()
        if self._to_play:
            data = self._to_play.popleft()
        else:
            data = next(self._tone) if self._tone is not None else _silence()
        packet = Packet(data)
        packet.pts, packet.time_base = starts_at, _TIME_BASE
        return packet


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
    frame.pts, frame.time_base = starts_at, _TIME_BASE
    return frame


@functools.cache
def _tone() -> Sequence[bytes]:
    """Return a tone that may be played again and again; its first packets fade in."""
    return opus_packets(pcm_tone(20 * PACKET_MS, rate=OPUS_RATE))[5:15]


@functools.cache
def _silence() -> bytes:
    return opus_packets(bytes(5 * len(_SILENCE)))[-1]


async def frames(track: MediaStreamTrack) -> AsyncIterator[AudioFrame]:
    """Yield the frames of a track until it ends."""
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return
        if isinstance(frame, AudioFrame) and frame.sample_rate:
            yield frame
