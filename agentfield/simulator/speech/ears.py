"""Hears callers: the port of the simulator, with models on this machine."""

from __future__ import annotations

__all__ = ["LocalEars"]

from functools import partial

import numpy as np

from agentfield.simulator.senses import Listener
from agentfield.simulator.speech.detector import CHUNK, Detector
from agentfield.simulator.speech.figures import written
from agentfield.simulator.speech.recognizer import Recognizer
from agentfield.simulator.speech.resampling import samples
from agentfield.simulator.speech.utterance import spans
from agentfield.simulator.speech.workers import Unwanted, Workers

_CHUNKS_PER_SECOND = 16_000 // CHUNK
_PADDING = 10
"""Chunks around speech that are listened to with it, a third of a second: words are mistaken at the
very beginning and end of what is heard."""
_MOST = _CHUNKS_PER_SECOND * 20
"""The recogniser was made for utterances of a few seconds."""


class LocalEars:
    """Understands English. Every language is heard as if it were."""

    def __init__(self, *, detector: Detector, recognizer: Recognizer, workers: Workers) -> None:
        self._detector = detector
        self._recognizer = recognizer
        self._workers = workers

    def listener(self) -> Listener:
        """Return what follows the audio of one more call; a new one has heard silence so far."""
        return self._detector.listener()

    async def transcribe(self, pcm: bytes, *, language: str | None = None) -> str:  # noqa: ARG002 - it knows one
        """Return what is said in 16-bit samples of one channel at 16 kHz; "" if nothing is.

        Noise without speech is "", too. Numbers that were spelled are in figures. Pauses
        of more than two thirds of a second are left out; recordings may be of any length.
        Cancelling stops the work with the next word. Raises SpeechBusy if too many recordings are
        waiting.
        """
        return await self._workers.do(partial(self._hear, pcm))

    def _hear(self, pcm: bytes, unwanted: Unwanted) -> str:
        sound = np.pad(samples(pcm), _PADDING * CHUNK)
        probabilities = self._detector.probabilities(sound)
        said = (
            self._recognizer.hear(sound[begin * CHUNK : end * CHUNK], stopped=unwanted)
            for begin, end in spans(probabilities, padding=_PADDING, most=_MOST)
        )
        return written(" ".join(text for text in said if text))
