"""A caller over real WebRTC: what a browser is to the provider, without a browser."""

from __future__ import annotations

__all__ = ["RECORDING_RATE", "Caller", "Reception", "calling"]

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.stats import RTCInboundRtpStreamStats

from agentfield.simulator.audio import OPUS_RATE, Resampler, resampled, samples_of
from agentfield.simulator.peers import on_address
from agentfield.simulator.sound import Microphone, frames
from agentfield.simulator.tasks import owned_tasks
from agentfield.simulator.vad import loudness

RECORDING_RATE = 24_000
"""Of what a caller has recorded: samples in a second."""
_RECORDED_BYTES = 600 * RECORDING_RATE * 2
_AUDIBLE = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """How audio has come."""

    packets: int = 0
    lost: int = 0
    jitter_ms: float = 0.0
    """How much the time between packets varies, by RFC 3550, section 6.4.1."""


class Caller:
    """Offers a call, speaks in tones or in real audio, hears whether the other side does."""

    def __init__(self, connection: RTCPeerConnection, channel: RTCDataChannel | None) -> None:
        self.events: list[dict[str, Any]] = []
        """What came over the data channel."""
        self._connection = connection
        self._channel = channel
        self._microphone = Microphone()
        self._anything = asyncio.Event()
        self._voice = asyncio.Event()
        self._silence = asyncio.Event()
        self._loud = False
        self._recorder: Resampler | None = None
        self._recorded = bytearray()
        connection.addTrack(self._microphone)
        if channel is not None:
            channel.on("message", lambda text: self.events.append(json.loads(text)))

    async def offer(self) -> str:
        """Return an SDP offer."""
        await self._connection.setLocalDescription(await self._connection.createOffer())
        return self._connection.localDescription.sdp

    async def take(self, answer: str) -> None:
        """Take the SDP answer, which connects the call."""
        description = RTCSessionDescription(answer, "answer")
        await self._connection.setRemoteDescription(description)

    def speak(self, *, lasts_ms: int = 400) -> None:
        """Begin to sound, for so long; a voice that is heard no more counts no longer."""
        self.attend()
        self._microphone.tone(lasts_ms)

    def say(self, samples: bytes, *, rate: int = OPUS_RATE) -> None:
        """Begin to speak for real, after what is still being said.

        It takes 16-bit little-endian samples of one channel, as ``audio.read_audio`` gets them out
        of a file. A voice that is heard no more counts no longer, as with ``speak``.
        """
        self.attend()
        self._microphone.play(resampled(samples, rate=rate, to=OPUS_RATE))

    async def said(self, *, seconds: float | None = 60) -> None:
        """Wait until everything has been said."""
        async with asyncio.timeout(seconds):
            await self._microphone.said()

    def record(self) -> None:
        """Record what is heard from now on; what was recorded before is forgotten."""
        self._recorder = Resampler(RECORDING_RATE)
        self._recorded.clear()

    def recorded(self) -> bytes:
        """Return what has been heard since ``record``, of ten minutes at most the newest.

        It is 16-bit little-endian samples of one channel at 24 kHz, silence included;
        ``audio.write_wav`` makes a file of them.
        """
        return bytes(self._recorded)

    def attend(self) -> None:
        """Let only the voice count that is heard now or from now on."""
        self._voice.clear()

    def send(self, event: dict[str, Any]) -> None:
        """Send an event over the data channel."""
        if self._channel is None:
            raise ValueError("this caller has no data channel")
        self._channel.send(json.dumps(event))

    async def hears_anything(self, *, seconds: float | None = 5) -> None:
        """Wait until audio comes, loud or silent: the call is connected."""
        async with asyncio.timeout(seconds):
            await self._anything.wait()

    async def hears_voice(self, *, seconds: float | None = 5) -> None:
        """Wait until the other side is heard, or return at once if it has been since the last wait.

        Raises TimeoutError after so many seconds, as all these waits do; None: never.
        """
        async with asyncio.timeout(seconds):
            if not self._loud:
                await self._voice.wait()
        self.attend()

    async def hears_silence(self, *, seconds: float | None = 5) -> None:
        """Wait until the other side is not heard."""
        async with asyncio.timeout(seconds):
            await self._silence.wait()
        self.attend()

    async def reception(self) -> Reception:
        """Return how the other side's audio has come so far."""
        found = Reception()
        for each in (await self._connection.getStats()).values():
            if isinstance(each, RTCInboundRtpStreamStats):
                jitter_ms = each.jitter * 1000 / OPUS_RATE
                found = Reception(
                    packets=each.packetsReceived, lost=each.packetsLost, jitter_ms=jitter_ms
                )
        return found

    async def leave(self) -> None:
        """Close the connection."""
        await self._connection.close()

    async def listen(self, track: MediaStreamTrack) -> None:
        """Follow what the other side sends."""
        async for frame in frames(track):
            before, self._loud = self._loud, loudness(samples_of(frame)) > _AUDIBLE
            if self._recorder is not None:
                self._recorded += self._recorder.feed(frame)
                del self._recorded[:-_RECORDED_BYTES]
            if self._loud:
                self._silence.clear()
            else:
                self._silence.set()
            if self._loud and not before:
                self._voice.set()
            self._anything.set()
        self._loud = False


@asynccontextmanager
async def calling(*, data_channel: bool = True, host: str | None = None) -> AsyncIterator[Caller]:
    """Be a caller until the block is left, with or without the channel for events.

    ``host`` is the one address at which media is received, for all WebRTC connections of this
    process meanwhile. None: as a running simulator of this process says, else every address but
    the loopback one.
    """
    with ExitStack() as stack:
        if host is not None:
            stack.enter_context(on_address(host))
        async with _called(data_channel=data_channel) as caller:
            yield caller


@asynccontextmanager
async def _called(*, data_channel: bool) -> AsyncIterator[Caller]:
    async with owned_tasks() as tasks:
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        channel = connection.createDataChannel("oai-events") if data_channel else None
        caller = Caller(connection, channel)
        listening: list[asyncio.Task[None]] = []

        @connection.on("track")
        def on_track(track: MediaStreamTrack) -> None:
            listening.append(tasks.create_task(caller.listen(track), name="hear the provider"))

        try:
            yield caller
        finally:
            await caller.leave()
            # The track of a connection that never came about does not end by itself.
            for task in listening:
                task.cancel()
