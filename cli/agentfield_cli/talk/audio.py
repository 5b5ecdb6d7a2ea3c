"""Audio files: what the caller says is read from one, what the agent says is written to one."""

from __future__ import annotations

__all__ = ["HEARD_RATE", "SPOKEN_RATE", "Recording", "read_speech", "samples_of"]

import wave
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import av
from av.audio.resampler import AudioResampler

from agentfield.v1.errors import InvalidArgument

SPOKEN_RATE = 48_000
"""Samples a second of what is read: what Opus takes."""
HEARD_RATE = 24_000
"""Samples a second of what is written."""

_SAMPLE = 2
_LONGEST_MINUTES = 10
_LONGEST = _LONGEST_MINUTES * 60 * SPOKEN_RATE * _SAMPLE


def read_speech(path: Path) -> bytes:
    """Return the sound of a file as 16-bit samples of one channel, at ``SPOKEN_RATE``.

    A WAV file of any rate and number of channels, or whatever else FFmpeg reads. Raises
    InvalidArgument that says what is wrong with it.
    """
    speech = bytearray()
    try:
        with path.open("rb") as file:
            for samples in _decoded(file):
                speech += samples
                if len(speech) > _LONGEST:
                    raise _unreadable(path, f"it is longer than {_LONGEST_MINUTES} minutes")
    except av.FFmpegError as error:
        raise _unreadable(path, f"it is no audio file ({error.strerror})") from None
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None
    if not speech:
        raise _unreadable(path, "there is no sound in it")
    return bytes(speech)


def _decoded(file: BinaryIO) -> Iterator[bytes]:
    resampler = AudioResampler(format="s16", layout="mono", rate=SPOKEN_RATE)
    # An open file, never a name, and nothing that it names: FFmpeg takes many names for addresses,
    # and reads what a playlist lists, files as well as addresses.
    with av.open(file, "r", options={"protocol_whitelist": "none"}) as container:
        if not container.streams.audio:
            return
        for frame in container.decode(container.streams.audio[0]):
            # As if there were no gaps: a file's times are often wrong, its samples are not.
            frame.pts = None
            for piece in resampler.resample(frame):
                yield samples_of(piece)
    for piece in resampler.resample(None):
        yield samples_of(piece)


def samples_of(frame: av.AudioFrame) -> bytes:
    """Return the 16-bit samples of a frame of one channel."""
    return bytes(frame.planes[0])[: frame.samples * _SAMPLE]


def _unreadable(path: Path, why: str) -> InvalidArgument:
    return InvalidArgument(f"--wav cannot read the file '{path}': {why}.")


class Recording:
    """A WAV file of one channel, ``HEARD_RATE``. It is valid at every moment, also if we are killed.

    As a context manager: the file is there, and empty, when the block begins. Raises
    InvalidArgument if it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._written = 0
        try:
            self._file = path.open("wb")
        except OSError as error:
            raise self._unwritable(error) from None
        self._wave = wave.Wave_write(self._file)
        self._wave.setnchannels(1)
        self._wave.setsampwidth(_SAMPLE)
        self._wave.setframerate(HEARD_RATE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._wave.close()
            self._file.close()
        except OSError as failure:
            raise self._unwritable(failure) from None

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self._written / HEARD_RATE

    def hear(self, samples: bytes, at: int) -> None:
        """Write what was heard at a time, in samples since the begin; what is missing is silence."""
        missing = max(0, at - self._written)
        try:
            # This completes the header each time.
            self._wave.writeframes(bytes(missing * _SAMPLE) + samples)
        except OSError as error:
            raise self._unwritable(error) from None
        self._written += missing + len(samples) // _SAMPLE

    def _unwritable(self, error: OSError) -> InvalidArgument:
        return InvalidArgument(f"--out cannot write the file '{self.path}': {error.strerror}.")
