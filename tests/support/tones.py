"""WAV files with a tone in them: what a caller says to a provider that hears loudness alone."""

from __future__ import annotations

__all__ = ["loudest", "write_tone"]

import array
import math
import wave
from pathlib import Path

_LOUDNESS = 9_000


def write_tone(path: Path, *, ms: int = 600, rate: int = 16_000, channels: int = 1) -> Path:
    """Write a tone of 400 Hz and return the path."""
    values = [
        round(_LOUDNESS * math.sin(2 * math.pi * 400 * place / rate))
        for place in range(rate * ms // 1000)
        for _ in range(channels)
    ]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(array.array("h", values).tobytes())
    return path


def loudest(samples: bytes) -> int:
    """Return how loud 16-bit samples are at most, of 32768."""
    return max(map(abs, array.array("h", samples)), default=0)
