"""Speech in WAV files."""

from __future__ import annotations

__all__ = ["read_wav", "write_wav"]

import wave
from collections.abc import Iterable
from pathlib import Path

from agentfield.simulator.senses import Sound

_PCM_RATE = 24_000


def write_wav(
    path: Path,
    sounds: Iterable[Sound],
    *,
    rate: int = 48_000,
    before_ms: int = 0,
    after_ms: int = 0,
) -> None:
    """Write speech into a WAV file: 16 bits, one channel, at so many samples per second.

    ``before_ms`` and ``after_ms`` are silence around it. A browser that takes the file for its
    microphone needs some before, for the first sounds are lost until the call is connected.
    """
    from agentfield.simulator.speech.resampling import as_pcm, resampled, samples

    pcm = b"".join(sound.pcm for sound in sounds)
    speech = as_pcm(resampled(samples(pcm), rate=_PCM_RATE, to=rate))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(_silence(before_ms, rate) + speech + _silence(after_ms, rate))


def read_wav(path: Path, *, rate: int = 16_000) -> bytes:
    """Return a WAV file as 16-bit samples of one channel at so many per second, as ears take them.

    Channels are mixed. Raises ValueError if the file has other than 16-bit samples, wave.Error if
    it is no WAV file.
    """
    from agentfield.simulator.speech.resampling import as_pcm, resampled, samples

    with wave.open(str(path), "rb") as file:
        if file.getsampwidth() != 2:
            raise ValueError(
                f"{path} has samples of {8 * file.getsampwidth()} bits; write it with 16"
            )
        sound = samples(file.readframes(file.getnframes()))
        mixed = sound.reshape(-1, file.getnchannels()).mean(axis=1, dtype=sound.dtype)
        return as_pcm(resampled(mixed, rate=file.getframerate(), to=rate))


def _silence(ms: int, rate: int) -> bytes:
    return bytes(rate * ms // 1000 * 2)
