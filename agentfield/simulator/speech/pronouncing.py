"""Turns readable text into the sounds that the voice makes."""

from __future__ import annotations

__all__ = ["Pronouncer"]

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

from agentfield.simulator.speech.familiar import AFTER, ALWAYS, BEFORE_VOWELS, LETTERS
from agentfield.simulator.speech.lexicon import Lexicon
from agentfield.simulator.speech.phonemes import Phonemes, as_spoken, from_arpabet

_PAUSES = {"(": ",", ")": ",", ":": ":", ";": ";", ",": ",", ".": ".", "!": "!", "?": "?"}
_TOKENS = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)*|[(),.:;!?]")
_CASES = re.compile(r"(?<=[a-z])(?=[A-Z])")
_HISSES = frozenset({"s", "z", "ʃ", "ʒ", "tʃ", "dʒ"})
_VOICELESS = frozenset({"p", "t", "k", "f", "θ", "ʔ"})
_SOUNDS_OF_VOWELS = "aeiouæɑɐɔəɚɛɜɪʊʌᵻˈˌ"
_LEAST_PART = 4


class Spells(Protocol):
    """Guesses the pronunciation of words."""

    def pronounce(self, word: str) -> Sequence[str]:
        """Return ARPAbet with stress digits for a word of small letters a to z."""


class Pronouncer:
    """Knows how English is pronounced, with a guess for every word that it does not know."""

    def __init__(self, *, lexicon: Lexicon, speller: Spells) -> None:
        self._lexicon = lexicon
        self._speller = speller

    def pronounce(self, text: str) -> str:
        """Return readable text as a line of IPA and punctuation; "" if no word can be spoken.

        Words in other scripts than Latin are left out.
        """
        tokens = [part for token in _TOKENS.findall(text) for part in self._parts(token)]
        shouted = len(tokens) > 2 and not any(letter.islower() for letter in "".join(tokens))
        around = ["", *("" if token in _PAUSES else token for token in tokens), ""]
        spoken = {
            at: self._word(token, before=around[at], after=around[at + 2], shouted=shouted)
            for at, token in enumerate(tokens)
            if token not in _PAUSES
        }
        return "".join(self._line(tokens, spoken)).strip() if spoken else ""

    def _line(self, tokens: Sequence[str], spoken: dict[int, str]) -> Iterator[str]:
        paused = True
        for at, token in enumerate(tokens):
            if at not in spoken:
                if not paused:
                    yield _PAUSES[token]
                paused = True
                continue
            following = spoken.get(at + 1, "")
            if token.lower() in BEFORE_VOWELS and following.startswith(tuple(_SOUNDS_OF_VOWELS)):
                yield f" {BEFORE_VOWELS[token.lower()]}"
            else:
                yield f" {spoken[at]}"
            paused = False
        if not paused:
            yield "."

    def _parts(self, token: str) -> Sequence[str]:
        """Split what is several words for a reader: ``findOrder``."""
        if token.lower() in self._lexicon or token.isupper():
            return [token]
        return _CASES.split(token)

    def _word(self, word: str, *, before: str, after: str, shouted: bool) -> str:
        """Return how a word sounds between its neighbours, "" for those that a pause parts from it."""
        small = word.lower()
        if self._is_spelled(word, before=before, after=after, shouted=shouted):
            return " ".join(LETTERS[letter] for letter in small if letter in LETTERS)
        otherwise, neighbours = AFTER.get(small, ("", frozenset()))
        if before.lower() in neighbours:
            return otherwise
        if small in ALWAYS:
            return ALWAYS[small]
        return "".join(as_spoken(self._sounds(small, before.lower(), after.lower())))

    def _is_spelled(self, word: str, *, before: str, after: str, shouted: bool) -> bool:
        """Whether a word is read letter by letter: ``SQL``, ``pdf``, ``5 P M``."""
        small = word.lower()
        if len(word) == 1:
            in_row = any(len(other) == 1 and other.isupper() for other in (before, after))
            return word not in {"I", "A", "a"} or (word == "A" and (in_row or not after))
        if not word.isalpha():
            return False
        if word.isupper() and not shouted:
            return (len(word) <= 3 and small != "ok") or not set(small) & set("aeiouy")
        return small not in self._lexicon and not set(small) & set("aeiouy")

    def _sounds(self, word: str, before: str = "", after: str = "") -> Phonemes:
        known = self._lexicon.find(word, before=before, after=after)
        if known is not None:
            return known
        if word.endswith("'s"):
            return self._of(self._sounds(word[:-2]))
        if "'" in word:
            return self._sounds(word.replace("'", ""))
        for at in range(len(word) - _LEAST_PART, _LEAST_PART - 1, -1):
            head, tail = self._lexicon.find(word[:at]), self._lexicon.find(word[at:])
            if head and tail:
                return (*head, *("ˌ" if sound == "ˈ" else sound for sound in tail))
        return from_arpabet(self._speller.pronounce(word))

    def _of(self, owner: Phonemes) -> Phonemes:
        last = owner[-1] if owner else ""
        if last in _HISSES:
            return (*owner, "ᵻ", "z")
        return (*owner, "s" if last in _VOICELESS else "z")
