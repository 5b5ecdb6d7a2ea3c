"""Sound as packets that a WebRTC track sends as they are."""

from __future__ import annotations

__all__ = ["FRAME", "RATE", "opus"]

from fractions import Fraction

from av import AudioCodecContext, AudioFrame, CodecContext

RATE = 48_000
FRAME = RATE // 50
"""Samples of one packet."""
_BITS_PER_SECOND = 32_000


def opus(pcm: bytes) -> tuple[bytes, ...]:
    """Return Opus packets of 20 ms for 16-bit samples of one channel at 48 kHz.

    The last one is filled up with silence. What the encoder holds back, 6.5 ms, is not waited for:
    speech ends in silence.
    """
    encoder = CodecContext.create("libopus", "w")
    if not isinstance(encoder, AudioCodecContext):  # for the type checker: Opus is sound
        raise TypeError(encoder)
    encoder.sample_rate = RATE
    encoder.layout = "mono"
    encoder.format = "s16"
    encoder.bit_rate = _BITS_PER_SECOND
    encoder.options = {"application": "voip"}
    size = FRAME * 2
    packets = []
    for at in range(0, len(pcm), size):
        frame = AudioFrame(format="s16", layout="mono", samples=FRAME)
        frame.planes[0].update(pcm[at : at + size].ljust(size, b"\0"))
        frame.sample_rate = RATE
        frame.time_base = Fraction(1, RATE)
        frame.pts = at // 2
        packets += encoder.encode(frame)
    return tuple(bytes(packet) for packet in packets)
