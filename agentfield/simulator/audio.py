"""Samples: of frames at another rate, as Opus packets, out of files and into them."""

from __future__ import annotations

__all__ = [
    "OPUS_RATE",
    "PACKET_MS",
    "Resampler",
    "opus_packets",
    "pcm_frame",
    "read_audio",
    "resampled",
    "samples_of",
    "write_wav",
]

import fractions
import wave
from pathlib import Path
from typing import BinaryIO

import av
from av import AudioCodecContext, AudioFrame, AudioResampler

OPUS_RATE, PACKET_MS = 48_000, 20
_SAMPLE_BYTES = 2
_BITS_PER_SECOND = 32_000


class Resampler:
    """Makes 16-bit samples of one channel at one rate out of the frames of one stream."""

    def __init__(self, rate: int) -> None:
        self._resampler = AudioResampler(format="s16", layout="mono", rate=rate)

    def feed(self, frame: AudioFrame | None) -> bytes:
        """Return what the next frame gives; None ends the stream and gives what was held back."""
        if frame is not None:
            frame.pts = None  # a gap in the stream is no concern of the samples
        return b"".join(samples_of(each) for each in self._resampler.resample(frame))


def samples_of(frame: AudioFrame) -> bytes:
    """Return the 16-bit samples of a frame, of its channels in turn."""
    # A plane is longer than its samples where a decoder made room for more.
    return bytes(frame.planes[0])[: frame.samples * _SAMPLE_BYTES * frame.layout.nb_channels]


def pcm_frame(samples: bytes, *, rate: int) -> AudioFrame:
    """Return 16-bit samples of one channel as a frame."""
    frame = AudioFrame(format="s16", layout="mono", samples=len(samples) // _SAMPLE_BYTES)
    frame.planes[0].update(samples.ljust(frame.planes[0].buffer_size, b"\0"))
    frame.sample_rate = rate
    return frame


def resampled(samples: bytes, *, rate: int, to: int) -> bytes:
    """Return 16-bit samples of one channel at another rate."""
    if rate == to:
        return samples
    resampler = Resampler(to)
    return resampler.feed(pcm_frame(samples, rate=rate)) + resampler.feed(None)


def opus_packets(samples: bytes) -> list[bytes]:
    """Return 16-bit samples of one channel at 48 kHz as Opus packets of 20 ms."""
    encoder = AudioCodecContext.create("libopus", "w")
    encoder.bit_rate, encoder.sample_rate = _BITS_PER_SECOND, OPUS_RATE
    encoder.format, encoder.layout = "s16", "mono"
    encoder.time_base = fractions.Fraction(1, OPUS_RATE)
    encoder.options = {"application": "voip"}
    size = OPUS_RATE * PACKET_MS // 1000 * _SAMPLE_BYTES
    packets = []
    for number, start in enumerate(range(0, len(samples), size)):
        frame = pcm_frame(samples[start : start + size].ljust(size, b"\0"), rate=OPUS_RATE)
        frame.pts = number * size // _SAMPLE_BYTES
        packets += encoder.encode(frame)
    return [bytes(packet) for packet in (*packets, *encoder.encode(None))]


def read_audio(file: str | Path | BinaryIO, *, rate: int) -> bytes:
    """Return an audio file (WAV, Ogg, MP3, …) as 16-bit samples of one channel at this rate.

    Raises OSError when it cannot be read, ValueError when it is no audio.
    """
    resampler = Resampler(rate)
    try:
        with av.open(str(file) if isinstance(file, Path) else file, "r") as container:
            frames = [resampler.feed(frame) for frame in container.decode(audio=0)]
    except (av.error.InvalidDataError, IndexError) as error:
        raise ValueError(f"{file} is no audio file that can be read") from error
    return b"".join(frames) + resampler.feed(None)


def write_wav(file: str | Path | BinaryIO, samples: bytes, *, rate: int) -> None:
    """Write 16-bit samples of one channel as a WAV file."""
    with wave.open(str(file) if isinstance(file, Path) else file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(_SAMPLE_BYTES)
        out.setframerate(rate)
        out.writeframes(samples)
