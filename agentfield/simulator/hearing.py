"""The caller's audio: when somebody speaks in it, and what is kept of it to be understood."""

from __future__ import annotations

__all__ = ["Decision", "Hearing"]

import logging
from collections.abc import Iterator
from functools import partial
from typing import Literal

from av import AudioFrame

from agentfield.process.outcomes import attempt
from agentfield.simulator.audio import Resampler, pcm_frame, samples_of
from agentfield.simulator.effects import Json
from agentfield.simulator.senses import Ears
from agentfield.simulator.vad import SpeechDetector, loudness

Decision = tuple[Literal["started", "stopped"], int]
"""What begins or ends, and at which millisecond of the audio."""

_EVENT_RATE = 24_000
_PIECE_MS = 20
_PIECE_BYTES = _EVENT_RATE * _PIECE_MS // 1000 * 2
_EAR_RATE = 16_000
_EAR_BYTES_PER_MS = _EAR_RATE // 1000 * 2
_LONGEST_UTTERANCE_MS = 30_000
_KEPT_MS = 60_000

_log = logging.getLogger("agentfield.simulator")


class Hearing:
    """Listens to one caller: with ears, or else to nothing but how loud it is.

    With ears an utterance of half a minute is cut there, and of audio that nobody has committed
    the newest minute is kept.
    """

    def __init__(self, ears: Ears | None) -> None:
        self._listener = ears.listener() if ears is not None else None
        if self._listener is None:
            self.detector = SpeechDetector()
        else:
            self.detector = SpeechDetector(full_level=1, longest_ms=_LONGEST_UTTERANCE_MS)
        self._resampler = Resampler(_EAR_RATE)
        self._kept = bytearray()
        self._pending = b""
        self._deaf = False

    def frame(self, frame: AudioFrame, detection: Json | None) -> Decision | None:
        """Take the next audio of the media track; return what it decides."""
        ms = frame.samples * 1000 // frame.sample_rate
        if self._listener is None:
            level = 0.0 if detection is None else loudness(samples_of(frame))
            return self.detector.feed(level, ms, detection)
        heard = self._resampler.feed(frame)
        self._kept += heard
        del self._kept[: -_KEPT_MS * _EAR_BYTES_PER_MS]
        decision = self.detector.feed(self._probability(heard, detection), ms, detection)
        if decision is not None and decision[0] == "started":
            speech_ms = self.detector.clock_ms - decision[1]
            del self._kept[: -speech_ms * _EAR_BYTES_PER_MS]
        return decision

    def event(self, samples: bytes, detection: Json | None) -> Iterator[Decision]:
        """Take audio that came in an event, 24 000 samples in a second; yield what it decides."""
        waiting = self._pending + samples
        whole = len(waiting) - len(waiting) % _PIECE_BYTES
        self._pending = waiting[whole:]
        for start in range(0, whole, _PIECE_BYTES):
            piece = pcm_frame(waiting[start : start + _PIECE_BYTES], rate=_EVENT_RATE)
            decision = self.frame(piece, detection)
            if decision is not None:
                yield decision

    def take(self) -> bytes:
        """Return what is kept, as ears take it, and forget it."""
        kept = bytes(self._kept)
        self._kept.clear()
        return kept

    def forget(self) -> None:
        """Forget what is kept."""
        self._kept.clear()
        self._pending = b""

    def _probability(self, heard: bytes, detection: Json | None) -> float:
        if self._listener is None or detection is None or self._deaf:
            return 0.0
        felt = attempt(partial(self._listener.probability, heard))
        if felt.error is not None:  # the call goes on
            self._deaf = True
            _log.error(
                "the ears fail: the caller is not heard any more",
                extra={"error": type(felt.error).__name__},
            )
            return 0.0
        return felt.get()
