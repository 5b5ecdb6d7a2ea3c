"""The WebRTC side: answers offers, plays the voice, hears the caller, speaks on the channel."""

from __future__ import annotations

__all__ = ["Peer", "checked_offer", "on_address"]

import asyncio
import ipaddress
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import aioice.ice
from aiortc import (
    InvalidStateError,
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.exceptions import OperationError

from agentfield.simulator.call import Call
from agentfield.simulator.effects import Json
from agentfield.simulator.refusals import Refused
from agentfield.simulator.sound import PacketTrack, frames

_CHANNEL = "oai-events"
_OPUS = [
    each
    for each in RTCRtpSender.getCapabilities("audio").codecs
    if each.mimeType.lower() == "audio/opus"
]
"""What is said is encoded before anybody calls."""


@contextmanager
def on_address(address: str) -> Iterator[None]:
    """Offer only this address to callers, in this process and for a while.

    The library for ICE offers every address but the loopback one and has no setting for it.
    That is what stays for ``0.0.0.0``, which means every address and is none.
    """
    if ipaddress.ip_address(address).is_unspecified:
        yield
        return
    usual = aioice.ice.get_host_addresses
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: [address]  # noqa: ARG005 - its names
    try:
        yield
    finally:
        aioice.ice.get_host_addresses = usual


class _Channel:
    """The data channel as a connection of the call."""

    def __init__(self, channel: RTCDataChannel, name: str) -> None:
        self.name = name
        self._channel = channel

    def send(self, event: Json) -> None:
        if self._channel.readyState == "open":
            self._channel.send(json.dumps(event))

    def close(self, code: int) -> None:
        """Leave it to the end of the peer connection."""

    def abort(self) -> None:
        """Leave it to the end of the peer connection."""


class Peer:
    """The provider's end of one WebRTC connection."""

    def __init__(self, *, tasks: asyncio.TaskGroup, tells_of_leaving: bool) -> None:
        self._tasks = tasks
        self._tells_of_leaving = tells_of_leaving
        self._listening: list[asyncio.Task[None]] = []
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))

    async def answer(self, offer: str, call: Call, channel_name: str) -> str:
        """Return the answer to an offer; from then on the peer serves the call until its end."""
        voice = PacketTrack()
        call.voice = voice

        @self._connection.on("track")
        def on_track(track: MediaStreamTrack) -> None:
            listening = self._tasks.create_task(_listen(track, call), name="hear the caller")
            self._listening.append(listening)

        @self._connection.on("datachannel")
        def on_channel(channel: RTCDataChannel) -> None:
            if channel.label == _CHANNEL:
                self._join(channel, call, channel_name)

        @self._connection.on("connectionstatechange")
        def on_change() -> None:
            gone = self._connection.connectionState in {"closed", "failed"}
            if gone and self._tells_of_leaving:
                call.end()

        self._tasks.create_task(self._close_after(call), name="close the peer connection")
        with ExitStack() as undo:
            undo.callback(call.end)
            await self._accept(offer, voice)
            undo.pop_all()
        return self._connection.localDescription.sdp

    async def _accept(self, offer: str, voice: MediaStreamTrack) -> None:
        self._connection.addTrack(voice)
        for each in self._connection.getTransceivers():
            each.setCodecPreferences(_OPUS)
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            await self._connection.setLocalDescription(await self._connection.createAnswer())
        except (ValueError, IndexError, InvalidStateError, OperationError) as error:
            raise _invalid_offer() from error

    def _join(self, channel: RTCDataChannel, call: Call, name: str) -> None:
        connection = _Channel(channel, name)

        @channel.on("message")
        def on_message(message: str | bytes) -> None:
            text = message if isinstance(message, str) else message.decode(errors="replace")
            call.receive(text, connection)

        call.attach(connection, greet=True)

    async def _close_after(self, call: Call) -> None:
        await call.ended.wait()
        await self._connection.close()
        # The track of a connection that never came about does not end by itself.
        for listening in self._listening:
            listening.cancel()


async def _listen(track: MediaStreamTrack, call: Call) -> None:
    if track.kind == "audio":
        async for frame in frames(track):
            call.hear(frame)


def checked_offer(offer: str) -> str:
    """Return the offer if it can be answered."""
    if not offer.startswith("v=0") or "\nm=audio" not in offer or "\na=fingerprint" not in offer:
        raise _invalid_offer()
    return offer


def _invalid_offer() -> Refused:
    """Refuse an offer."""
    return Refused("Failed to parse the SDP offer.", code="invalid_offer", param="sdp")
