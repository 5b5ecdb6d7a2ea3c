"""Speech recognition: Moonshine (tiny, English), https://github.com/moonshine-ai/moonshine.

It is computed here rather than with its authors' library, which would load a second onnxruntime,
cannot be stopped and takes as many threads as there are cores.
"""

from __future__ import annotations

__all__ = ["Recognizer"]

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from agentfield.simulator.speech.inference import opened
from agentfield.simulator.speech.models import (
    RECOGNIZER_DECODER,
    RECOGNIZER_ENCODER,
    RECOGNIZER_TOKENS,
)
from agentfield.simulator.speech.resampling import Samples
from agentfield.simulator.speech.tokens import Tokens

_RATE = 16_000
_TOKENS_PER_SECOND = 6.5
"""More has nobody said."""
_SILENCES = (0, _RATE // 4)
"""Samples of silence to put around what is heard, at first and where it repeated itself for ever:
then other silence lets it understand."""


class Recognizer:
    """Hears what is said in a piece of sound. Several threads may ask at once."""

    def __init__(self) -> None:
        self._tokens = Tokens(RECOGNIZER_TOKENS.found().read_bytes())
        self._encoder = opened(RECOGNIZER_ENCODER.found())
        self._decoder = opened(RECOGNIZER_DECODER.found())
        inputs = {given.name: given for given in self._decoder.get_inputs()}
        self._before = {
            name: np.zeros((1, given.shape[1], 0, given.shape[3]), np.float32)
            for name, given in inputs.items()
            if name.startswith("past_key_values")
        }
        self._results = [result.name for result in self._decoder.get_outputs()]

    def hear(self, sound: Samples, *, stopped: Callable[[], bool] = lambda: False) -> str:
        """Return the words in samples at 16 kHz.

        Gives up with "" soon after ``stopped`` says so.
        """
        said: Sequence[int] = ()
        for silence in _SILENCES:
            around = np.zeros(silence, np.float32)
            said, ended = self._listen(np.concatenate((around, sound, around)), stopped)
            if ended or stopped():
                break
        return "" if stopped() else self._tokens.text(said)

    def _listen(self, sound: Samples, stopped: Callable[[], bool]) -> tuple[Sequence[int], bool]:
        """Return what was said, and whether it came to an end: some of it is endless repetition."""
        mask = np.ones((1, len(sound)), np.int64)
        given = {"input_values": sound[np.newaxis], "attention_mask": mask}
        encoded = self._encoder.run(None, given)[0]
        memory: dict[str, Any] = dict(self._before)
        said = [self._tokens.begin]
        most = int(len(sound) / _RATE * _TOKENS_PER_SECOND) + 4
        while len(said) <= most and not stopped():
            token = self._next(said[-1], encoded, mask, memory)
            if token == self._tokens.end:
                return said, True
            said.append(token)
        return said, False

    def _next(self, last: int, encoded: Any, mask: Any, memory: dict[str, Any]) -> int:
        """Return the likeliest token after the last one and remember what was computed for it."""
        first = last == self._tokens.begin
        logits, *computed = self._decoder.run(
            self._results,
            {
                "encoder_attention_mask": mask,
                "encoder_hidden_states": encoded,
                "input_ids": np.array([[last]], np.int64),
                "use_cache_branch": np.array([not first]),
                **memory,
            },
        )
        for name, value in zip(self._results[1:], computed, strict=True):
            # What follows from the sound alone is computed once, with the first token.
            if first or ".decoder." in name:
                memory[name.replace("present", "past_key_values")] = value
        return int(logits[0, -1].argmax())
