"""How words are pronounced that no dictionary has: a small network reads their letters.

The network is g2p-en's (https://github.com/Kyubyong/g2p, Apache-2.0): two gated recurrent units,
one that reads the letters, one that writes ARPAbet.
"""

from __future__ import annotations

__all__ = ["Speller"]

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_Numbers = NDArray[np.float32]
_LETTERS = {letter: number for number, letter in enumerate("abcdefghijklmnopqrstuvwxyz", 3)}
_LAST_LETTER, _BEGIN, _END = 2, 2, 3
_SYMBOLS = (
    "AA0 AA1 AA2 AE0 AE1 AE2 AH0 AH1 AH2 AO0 AO1 AO2 AW0 AW1 AW2 AY0 AY1 AY2 B CH D DH EH0 "
    "EH1 EH2 ER0 ER1 ER2 EY0 EY1 EY2 F G HH IH0 IH1 IH2 IY0 IY1 IY2 JH K L M N NG OW0 OW1 OW2 "
    "OY0 OY1 OY2 P R S SH T TH UH0 UH1 UH2 UW UW0 UW1 UW2 V W Y Z ZH"
).split()
_FIRST_SYMBOL = 4
_MOST_SYMBOLS = 40


class Speller:
    """Reads words letter by letter; the same word always alike."""

    def __init__(self, weights: Mapping[str, _Numbers]) -> None:
        self._weights = dict(weights)

    @classmethod
    def load(cls, checkpoint: Path) -> Speller:
        """Read the weights of a checkpoint."""
        with np.load(checkpoint) as weights:
            return cls({name: weights[name].astype(np.float32) for name in weights.files})

    def pronounce(self, word: str) -> list[str]:
        """Return ARPAbet with stress digits for a word of small letters a to z."""
        state: _Numbers = np.zeros(self._weights["enc_w_hh"].shape[1], np.float32)
        for letter in [*(_LETTERS[each] for each in word), _LAST_LETTER]:
            state = self._step("enc", letter, state)
        said: list[str] = []
        last = _BEGIN
        for _ in range(_MOST_SYMBOLS):
            state = self._step("dec", last, state)
            last = int((self._weights["fc_w"] @ state + self._weights["fc_b"]).argmax())
            if last == _END:
                break
            if last >= _FIRST_SYMBOL:
                said.append(_SYMBOLS[last - _FIRST_SYMBOL])
        return said

    def _step(self, side: str, number: int, state: _Numbers) -> _Numbers:
        weights = self._weights
        given = weights[f"{side}_w_ih"] @ weights[f"{side}_emb"][number] + weights[f"{side}_b_ih"]
        kept = weights[f"{side}_w_hh"] @ state + weights[f"{side}_b_hh"]
        size = len(state)
        reset, update = np.split(1 / (1 + np.exp(-(given + kept)[: 2 * size])), 2)
        fresh = np.tanh(given[2 * size :] + reset * kept[2 * size :])
        result: _Numbers = (1 - update) * fresh + update * state
        return result
