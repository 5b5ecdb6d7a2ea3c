"""Finds out when the caller speaks, by how loud it is or how likely it is to be speech."""

from __future__ import annotations

__all__ = ["SpeechDetector", "loudness"]

import array
import math
from typing import Literal

from agentfield.simulator.effects import Json

_FULL_LOUDNESS = 0.04
"""Which loudness counts as certain speech."""
_ONSET_MS = 60
_SEMANTIC: Json = {"threshold": 0.5, "silence_duration_ms": 500, "prefix_padding_ms": 300}
"""Meaning cannot be heard in loudness: semantic detection waits for half a second of silence."""


class SpeechDetector:
    """Follows one stream of audio; knows where in it speech begins and ends.

    ``full_level`` is the level that a threshold of 1 stands for. Speech that goes on for
    ``longest_ms`` ends there, and what follows begins anew.
    """

    def __init__(
        self, *, full_level: float = _FULL_LOUDNESS, longest_ms: int | None = None
    ) -> None:
        self.clock_ms = 0
        """How much audio there has been."""
        self._full_level = full_level
        self._longest_ms = longest_ms
        self._began_ms = 0
        self._ended_ms = 0
        self._loud_ms = 0
        self._quiet_ms = 0
        self._speech = False

    def feed(
        self, level: float, ms: int, detection: Json | None
    ) -> tuple[Literal["started", "stopped"], int] | None:
        """Take the next piece of audio; return what it decides, and at which time of the stream."""
        self.clock_ms += ms
        if detection is None:
            self._speech = False
            return None
        settings = _SEMANTIC if detection["type"] == "semantic_vad" else detection
        loud = level > settings["threshold"] * self._full_level
        self._loud_ms = self._loud_ms + ms if loud else 0
        self._quiet_ms = 0 if loud else self._quiet_ms + ms
        if not self._speech and self._loud_ms >= _ONSET_MS:
            self._speech = True
            began_ms = self.clock_ms - self._loud_ms - settings["prefix_padding_ms"]
            self._began_ms = max(self._ended_ms, began_ms)
            return "started", self._began_ms
        if self._speech and (
            self._quiet_ms >= settings["silence_duration_ms"] or self._lasts_too_long()
        ):
            self._speech, self._loud_ms, self._ended_ms = False, 0, self.clock_ms
            return "stopped", self.clock_ms
        return None

    def _lasts_too_long(self) -> bool:
        spoken_ms = self.clock_ms - self._began_ms
        return self._longest_ms is not None and spoken_ms >= self._longest_ms


def loudness(samples: bytes) -> float:
    """Return how loud 16-bit samples are, between 0 and 1."""
    values = array.array("h")
    values.frombytes(samples[: len(samples) // 2 * 2])
    # Every eighth sample is enough to tell speech from silence and costs an eighth.
    some = values[::8]
    return math.sqrt(sum(value * value for value in some) / len(some)) / 32768 if some else 0.0
