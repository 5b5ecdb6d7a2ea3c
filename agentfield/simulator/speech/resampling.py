"""Changes the rate of recorded sound."""

from __future__ import annotations

__all__ = ["as_pcm", "resampled", "samples"]

from math import gcd

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
_MARGIN = 0.01
"""Seconds of silence beyond both ends, for the whole is computed as if it went round in a ring."""


def resampled(sound: Samples, *, rate: int, to: int) -> Samples:
    """Return sound of one rate at another: what both can hold stays as it is.

    The spectrum is cut or extended, which is exact for sound that is there as a whole. The result
    has ``len(sound) * to / rate`` samples, rounded up.
    """
    if rate == to or not len(sound):
        return sound
    least = rate // gcd(rate, to)
    margin = round(_MARGIN * rate / least + 1) * least
    length = _quick(-(-(len(sound) + 2 * margin) // least)) * least
    padded = np.zeros(length, np.float32)
    padded[margin : margin + len(sound)] = sound
    spectrum = np.fft.rfft(padded)
    longer = length * to // rate
    kept = np.zeros(longer // 2 + 1, np.complex128)
    common = min(len(kept), len(spectrum))
    kept[:common] = spectrum[:common]
    whole = np.fft.irfft(kept, longer) * (to / rate)
    begin = margin * to // rate
    result: Samples = whole[begin : begin + -(-len(sound) * to // rate)].astype(np.float32)
    return result


def as_pcm(sound: Samples) -> bytes:
    """Return samples between -1 and 1 as 16-bit little-endian ones."""
    return np.rint(np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes()


def samples(pcm: bytes) -> Samples:
    """Return 16-bit little-endian samples as numbers between -1 and 1; half a sample is left out."""
    integers = np.frombuffer(pcm, "<i2", count=len(pcm) // 2)
    return integers.astype(np.float32) / np.float32(32768)


def _quick(number: int) -> int:
    """Return the next number that has no factors but 2, 3 and 5: its spectrum is soon computed."""
    while True:
        rest = number
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return number
        number += 1
