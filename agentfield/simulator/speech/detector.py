"""When somebody speaks: Silero VAD, https://github.com/snakers4/silero-vad."""

from __future__ import annotations

__all__ = ["CHUNK", "Detector", "VoiceListener"]

import numpy as np
import onnxruntime

from agentfield.simulator.speech.inference import opened
from agentfield.simulator.speech.models import DETECTOR
from agentfield.simulator.speech.resampling import Samples, samples

_RATE = np.array(16_000, np.int64)
CHUNK = 512
"""Samples that the model looks at together, 32 ms."""
_NO_CONTEXT: Samples = np.zeros(64, np.float32)
_NO_STATE: Samples = np.zeros((2, 1, 128), np.float32)
_QUIET = 0.002
"""Peak below which nothing is audible; 66 of 32768, six times what a silent Opus track has."""
_ATTENTIVE_CHUNKS = 16
"""After so much quiet, half a second, chunks that are quiet are not looked at."""


class Detector:
    """Loads the model once for all listeners."""

    def __init__(self) -> None:
        self._model: onnxruntime.InferenceSession = opened(DETECTOR.found())

    def listener(self) -> VoiceListener:
        """Return what follows the audio of one more call."""
        return VoiceListener(self._model)

    def probabilities(self, sound: Samples) -> list[float]:
        """Return how likely each chunk of a recording is speech; a last part of one is left out."""
        ear = VoiceListener(self._model)
        ends = range(CHUNK, len(sound) + 1, CHUNK)
        return [ear.hear(sound[end - CHUNK : end]) for end in ends]


class VoiceListener:
    """Follows the audio of one call.

    A chunk of 32 ms takes a tenth of a millisecond. While a call is silent none is computed.
    """

    def __init__(self, model: onnxruntime.InferenceSession) -> None:
        self._model = model
        self._waiting = b""
        self._quiet_chunks = _ATTENTIVE_CHUNKS
        self._probability = 0.0
        self._context: Samples = _NO_CONTEXT
        self._state: Samples = _NO_STATE

    def probability(self, pcm: bytes) -> float:
        """Return how likely it is speech that has been heard last, from 0 to 1.

        Takes 16-bit little-endian samples of one channel at 16 kHz, as many as there are. They are
        looked at in chunks of 32 ms: the answer is the likeliest of those that the piece
        completes, or still the one before if it completes none.
        """
        self._waiting += pcm
        size = CHUNK * 2
        heard = []
        while len(self._waiting) >= size:
            chunk, self._waiting = self._waiting[:size], self._waiting[size:]
            heard.append(self.hear(samples(chunk)))
        if heard:
            self._probability = max(heard)
        return self._probability

    def hear(self, chunk: Samples) -> float:
        """Return how likely the next chunk is speech."""
        quiet = float(np.abs(chunk).max()) < _QUIET
        self._quiet_chunks = self._quiet_chunks + 1 if quiet else 0
        if self._quiet_chunks > _ATTENTIVE_CHUNKS:
            if self._quiet_chunks == _ATTENTIVE_CHUNKS + 1:
                self._context, self._state = _NO_CONTEXT, _NO_STATE
            return 0.0
        given = np.concatenate((self._context, chunk))[np.newaxis]
        heard, self._state = self._model.run(
            None, {"input": given, "state": self._state, "sr": _RATE}
        )
        self._context = chunk[-len(_NO_CONTEXT) :]
        return float(heard[0, 0])
