"""All models together."""

from __future__ import annotations

__all__ = ["Models"]

from dataclasses import dataclass
from typing import Self

import numpy as np

from agentfield.simulator.speech.detector import CHUNK, Detector
from agentfield.simulator.speech.ears import LocalEars
from agentfield.simulator.speech.mouth import LocalMouth
from agentfield.simulator.speech.recognizer import Recognizer
from agentfield.simulator.speech.voice import Voice
from agentfield.simulator.speech.workers import Workers

_WARM_UP_SAMPLES = 16_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """What has been loaded."""

    detector: Detector
    recognizer: Recognizer
    voice: Voice

    @classmethod
    def load(cls) -> Self:
        """Read all models and let each work once, so that the first caller does not wait for it."""
        models = cls(detector=Detector(), recognizer=Recognizer(), voice=Voice())
        silence = np.zeros(_WARM_UP_SAMPLES, np.float32)
        models.detector.probabilities(silence[:CHUNK])
        models.recognizer.hear(silence)
        models.voice.speak("Hello.")
        return models

    def ears(self, workers: Workers) -> LocalEars:
        """Return ears that compute there."""
        return LocalEars(detector=self.detector, recognizer=self.recognizer, workers=workers)

    def mouth(self, workers: Workers) -> LocalMouth:
        """Return a mouth that computes there."""
        return LocalMouth(voice=self.voice, workers=workers)
