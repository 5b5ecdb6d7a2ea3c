"""The caller's end of a WebRTC call: one voice that goes out, one that is heard. Audio alone."""

from __future__ import annotations

__all__ = ["Phone", "calling"]

import array
import asyncio
import fractions
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import aioice.ice
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame
from av.audio.resampler import AudioResampler

from agentfield_cli.talk.audio import HEARD_RATE, SPOKEN_RATE, samples_of

Listener = Callable[[bytes, int], None]
"""Takes 16-bit samples of ``HEARD_RATE``, and at how many of them since the begin they were heard."""

_FRAME_MS = 20
_FRAME = SPOKEN_RATE * _FRAME_MS // 1000
_UNSENT_MS = 500
"""Of a microphone: what is older than this is dropped, so that nobody is heard late."""
_AUDIBLE = 300
"""Of 32768. Codecs make silence a little louder than nothing."""


class _Voice(MediaStreamTrack):
    """What the caller says, in real time; silence when it is nothing."""

    kind = "audio"

    def __init__(self, changed: asyncio.Event) -> None:
        super().__init__()
        self._changed = changed
        self._unsent = bytearray()
        self._clock = asyncio.get_running_loop().time
        self._began = self._clock()
        self._frames = 0

    @property
    def silent(self) -> bool:
        """Whether all that was to be said has been said."""
        return not self._unsent

    def say(self, samples: bytes) -> None:
        """Say it, after what is being said."""
        self._unsent += samples

    def feed(self, samples: bytes) -> None:
        """Say what a microphone has heard just now."""
        self._unsent += samples
        most = SPOKEN_RATE * _UNSENT_MS // 1000 * 2
        del self._unsent[: max(0, len(self._unsent) - most)]

    async def recv(self) -> AudioFrame:
        """Return the next frame when its time has come."""
        at = self._began + self._frames * _FRAME_MS / 1000
        await asyncio.sleep(max(0, at - self._clock()))
        samples = bytes(self._unsent[: _FRAME * 2])
        del self._unsent[: _FRAME * 2]
        if samples and self.silent:
            self._changed.set()
        frame = AudioFrame(format="s16", layout="mono", samples=_FRAME)
        frame.planes[0].update(samples.ljust(_FRAME * 2, b"\0"))
        frame.sample_rate = SPOKEN_RATE
        frame.pts = self._frames * _FRAME
        frame.time_base = fractions.Fraction(1, SPOKEN_RATE)
        self._frames += 1
        return frame


class Phone:
    """Offers a call, speaks and hears."""

    def __init__(self, connection: RTCPeerConnection, listeners: list[Listener]) -> None:
        self._connection = connection
        self._listeners = listeners
        self.changed = asyncio.Event()
        """Set when any of the below has changed; whoever waits clears it."""
        self._voice = _Voice(self.changed)
        self._clock = asyncio.get_running_loop().time
        self.heard_at = 0.0
        """When the other side was last audible, by the loop's clock. 0: never."""
        self.connected = False
        self.lost = False
        """Whether there was a connection that broke off, or none could be made."""
        connection.addTrack(self._voice)
        connection.on("connectionstatechange", self._follow)

    async def offer(self) -> str:
        """Return an SDP offer."""
        with _loopback_if_alone():
            await self._connection.setLocalDescription(await self._connection.createOffer())
        return self._connection.localDescription.sdp

    async def take(self, answer: str) -> None:
        """Take the SDP answer and connect."""
        description = RTCSessionDescription(answer, "answer")
        await self._connection.setRemoteDescription(description)

    @property
    def silent(self) -> bool:
        """Whether all that was to be said has been said."""
        return self._voice.silent

    def say(self, samples: bytes) -> None:
        """Speak: 16-bit samples of ``SPOKEN_RATE``."""
        self._voice.say(samples)

    def feed(self, samples: bytes) -> None:
        """Speak what a microphone has heard just now."""
        self._voice.feed(samples)

    async def listen(self, track: MediaStreamTrack) -> None:
        """Hear the other side to its end."""
        resampler = AudioResampler(format="s16", layout="mono", rate=HEARD_RATE)
        first: int | None = None
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            if not isinstance(frame, AudioFrame) or not frame.sample_rate:
                continue
            now = frame.pts or 0
            first = now if first is None else first
            at = (now - first) * HEARD_RATE // frame.sample_rate
            frame.pts = None  # gaps are the listeners' business
            samples = b"".join(map(samples_of, resampler.resample(frame)))
            if _is_audible(samples):
                self.heard_at = self._clock()
            for listener in self._listeners:
                listener(samples, at)

    def _follow(self) -> None:
        state = self._connection.connectionState
        self.lost = state in {"failed", "closed"}
        self.connected = state == "connected"
        self.changed.set()


@asynccontextmanager
async def calling(tasks: asyncio.TaskGroup, listeners: list[Listener]) -> AsyncIterator[Phone]:
    """Hold a phone, and hang up when the block is left. Listeners hear what the other side sends."""
    # No server helps to find addresses: those that are known by default are somebody else's.
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    phone = Phone(connection, listeners)
    hearing: list[asyncio.Task[None]] = []

    @connection.on("track")
    def on_track(track: MediaStreamTrack) -> None:
        hearing.append(tasks.create_task(phone.listen(track), name="hear the agent"))

    try:
        yield phone
    finally:
        await connection.close()
        # The track of a connection that never came about does not end by itself.
        for task in hearing:
            task.cancel()


@contextmanager
def _loopback_if_alone() -> Iterator[None]:
    """Offer the loopback address where there is no other: a machine without any network.

    The library for ICE leaves it out always, and has no setting for it.
    """
    usual = aioice.ice.get_host_addresses
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: (
        usual(use_ipv4, use_ipv6) or ["127.0.0.1"]
    )
    try:
        yield
    finally:
        aioice.ice.get_host_addresses = usual


def _is_audible(samples: bytes) -> bool:
    values = array.array("h", samples)
    # Every eighth is enough to tell speech from silence.
    return max(map(abs, values[::8]), default=0) > _AUDIBLE
