"""The voice: a Piper model, https://github.com/rhasspy/piper-voices (en_US, joe, medium)."""

from __future__ import annotations

__all__ = ["RATE", "Voice"]

import json

import numpy as np

from agentfield.simulator.speech.inference import opened
from agentfield.simulator.speech.lexicon import Lexicon
from agentfield.simulator.speech.models import (
    DICTIONARY,
    HOMOGRAPHS,
    SPELLER,
    VOICE,
    VOICE_SETTINGS,
)
from agentfield.simulator.speech.phonemes import ids
from agentfield.simulator.speech.pronouncing import Pronouncer
from agentfield.simulator.speech.readable import readable
from agentfield.simulator.speech.resampling import Samples
from agentfield.simulator.speech.spelling import Speller

RATE = 22_050
_SCALES = np.array([0.0, 1.0, 0.0], np.float32)
"""Noise, length, noise of durations. Without noise the same text is the same sound every time."""


class Voice:
    """Speaks English. Several threads may ask at once."""

    def __init__(self) -> None:
        lexicon = Lexicon.load(dictionary=DICTIONARY.found(), homographs=HOMOGRAPHS.found())
        self._pronouncer = Pronouncer(lexicon=lexicon, speller=Speller.load(SPELLER.found()))
        settings = json.loads(VOICE_SETTINGS.found().read_text(encoding="utf-8"))
        self._ids = settings["phoneme_id_map"]
        self._model = opened(VOICE.found())

    def speak(self, text: str) -> Samples:
        """Return samples at 22 050 Hz; none if there is no word that can be spoken."""
        line = self._pronouncer.pronounce(readable(text))
        if not line:
            return np.zeros(0, np.float32)
        numbers = ids(line, self._ids)
        given = {
            "input": np.array([numbers], np.int64),
            "input_lengths": np.array([len(numbers)], np.int64),
            "scales": _SCALES,
        }
        sound: Samples = self._model.run(None, given)[0].reshape(-1)
        return sound
