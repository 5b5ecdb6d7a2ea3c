"""Speaks to callers: the port of the simulator, with a voice on this machine."""

from __future__ import annotations

__all__ = ["LocalMouth"]

from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

import numpy as np

from agentfield.simulator.senses import Sound
from agentfield.simulator.speech import packets, voice
from agentfield.simulator.speech.resampling import Samples, as_pcm, resampled
from agentfield.simulator.speech.sentences import pieces
from agentfield.simulator.speech.voice import Voice
from agentfield.simulator.speech.workers import Unwanted, Workers

_PCM_RATE = 24_000
_KEPT = 64
"""Pieces of speech that are kept, some 10 MB: agents repeat themselves."""
_PAUSE_MS = 200
"""Silence of a piece without a word."""


class LocalMouth:
    """Speaks English with one voice."""

    def __init__(self, *, voice: Voice, workers: Workers) -> None:
        self._voice = voice
        self._workers = workers
        self._kept: OrderedDict[str, Sound] = OrderedDict()

    async def speak(self, text: str, *, voice: str | None = None) -> AsyncIterator[Sound]:  # noqa: ARG002 - it has one
        """Yield the speech sentence by sentence; long ones clause by clause.

        The same text is the same sound every time. A piece without any word that can be spoken in
        English, such as one of emoji alone or in another script, is a fifth of a second of
        silence; the empty text is no piece at all. Raises SpeechBusy if too much is waiting.
        """
        for piece in pieces(text):
            words = piece.strip()
            sound = self._kept.get(words)
            if sound is None:
                sound = await self._workers.do(partial(self._sound, words))
                self._kept[words] = sound
            self._kept.move_to_end(words)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            yield replace(sound, text=piece)

    def _sound(self, words: str, _: Unwanted) -> Sound:
        spoken = self._voice.speak(words)
        if not len(spoken):
            spoken = np.zeros(voice.RATE * _PAUSE_MS // 1000, np.float32)
        fine = _whole_frames(resampled(spoken, rate=voice.RATE, to=packets.RATE))
        return Sound(
            text=words,
            pcm=as_pcm(resampled(fine, rate=packets.RATE, to=_PCM_RATE)),
            packets=packets.opus(as_pcm(fine)),
            ms=len(fine) * 1000 // packets.RATE,
        )


def _whole_frames(sound: Samples) -> Samples:
    return np.pad(sound, (0, -len(sound) % packets.FRAME))
