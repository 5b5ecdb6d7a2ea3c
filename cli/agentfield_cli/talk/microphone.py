"""A person at this machine: their microphone and loudspeaker, by miniaudio.

There is no echo cancellation. Without headphones the microphone is closed while the agent is heard.
"""

from __future__ import annotations

__all__ = ["Headset", "headset"]

import asyncio
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import Any

import miniaudio

from agentfield.v1.errors import InvalidArgument
from agentfield_cli.talk.audio import HEARD_RATE, SPOKEN_RATE

_PERIOD_MS = 20
_UNPLAYED_MS = 1000
"""What is older has come in a burst after a pause, and would only be heard late."""


class Headset:
    """Plays what the agent says. Its methods are called by the event loop and by audio threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._unplayed = bytearray()

    def hear(self, samples: bytes, at: int) -> None:  # noqa: ARG002 - a listener of phones
        """Play this next."""
        with self._lock:
            self._unplayed += samples
            most = HEARD_RATE * _UNPLAYED_MS // 1000 * 2
            del self._unplayed[: max(0, len(self._unplayed) - most)]

    def playing(self) -> Generator[bytes, int, None]:
        """Give the loudspeaker as many samples as it asks for."""
        wanted = yield b""
        while True:
            with self._lock:
                samples = bytes(self._unplayed[: wanted * 2])
                del self._unplayed[: wanted * 2]
            wanted = yield samples.ljust(wanted * 2, b"\0")


@contextmanager
def headset(player: Headset, speak: Callable[[bytes], None]) -> Iterator[None]:
    """Open microphone and loudspeaker until the block is left.

    ``speak`` is called in the event loop, with 16-bit samples of ``SPOKEN_RATE``. Raises
    InvalidArgument on a machine that has none.
    """
    loop = asyncio.get_running_loop()
    with ExitStack() as devices:
        try:
            with _stderr_closed():
                microphone = devices.enter_context(miniaudio.CaptureDevice(**_device(SPOKEN_RATE)))
                loudspeaker = devices.enter_context(miniaudio.PlaybackDevice(**_device(HEARD_RATE)))
            if not _is_there(microphone) or not _is_there(loudspeaker):
                raise _no_device()
            loudspeaker.start(_begun(player.playing()))
            microphone.start(_begun(_recording(loop, speak)))
        except miniaudio.MiniaudioError:
            raise _no_device() from None
        yield


def _device(rate: int) -> dict[str, Any]:
    return {
        "nchannels": 1,
        "sample_rate": rate,
        "buffersize_msec": _PERIOD_MS,
        "app_name": "af",
    }


def _is_there(device: miniaudio.CaptureDevice | miniaudio.PlaybackDevice) -> bool:
    return bool(device.backend != "Null")  # which miniaudio takes when there is nothing else


def _recording(
    loop: asyncio.AbstractEventLoop, speak: Callable[[bytes], None]
) -> Generator[None, bytes, None]:
    """Take what the microphone hears, in its thread, to the event loop."""
    while True:
        loop.call_soon_threadsafe(speak, bytes((yield)))


def _begun(generator: Generator[Any, Any, None]) -> Any:
    next(generator)
    return generator


@contextmanager
def _stderr_closed() -> Iterator[None]:
    """Let nothing be written to stderr: ALSA tells there, in many lines, which devices are not there."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _no_device() -> InvalidArgument:
    return InvalidArgument(
        "There is no microphone, or no loudspeaker, on this machine: speak with --wav FILE, or from "
        "the control plane's page in a browser."
    )
