"""The sound of the simulated voice: a tone."""

from __future__ import annotations

__all__ = ["pcm_tone"]

import math
import struct

_RATE = 24_000
_PERIOD = 60
_LOUDNESS = 8_000
_WAVE = struct.pack(
    f"<{_PERIOD}h", *(int(_LOUDNESS * math.sin(2 * math.pi * n / _PERIOD)) for n in range(_PERIOD))
)


def pcm_tone(lasts_ms: int, *, rate: int = _RATE) -> bytes:
    """Return so much of a tone as 16-bit samples of one channel."""
    length = rate * lasts_ms // 1000 * 2
    return (_WAVE * (length // len(_WAVE) + 1))[:length]
