"""The words whose pronunciation is known, and those that have two."""

from __future__ import annotations

__all__ = ["Lexicon"]

from collections.abc import Mapping
from pathlib import Path

from agentfield.simulator.speech.phonemes import Phonemes, from_arpabet, from_dictionary

_BEFORE_VERBS = frozenset(
    (
        "to will would can could should may might must shall do does did don't doesn't didn't "
        "won't can't couldn't wouldn't shouldn't cannot i you we they who please let's not i'll "
        "you'll we'll they'll i'd you'd we'd they'd never always"
    ).split()
)
_AFTER_VERBS = frozenset(
    "a an the my your his her its our their this that these those it them me us him all".split()
)


class Lexicon:
    """Knows how words are pronounced, some of them by the words around them."""

    def __init__(
        self, *, entries: Mapping[str, str], pairs: Mapping[str, tuple[str, str]] | None = None
    ) -> None:
        """Take entries as in the dictionary, and ARPAbet as a verb and otherwise for some words."""
        self._entries = entries
        self._pairs = pairs or {}

    @classmethod
    def load(cls, *, dictionary: Path, homographs: Path) -> Lexicon:
        """Read the dictionary of techiaith-g2p and the homographs of g2p-en."""
        lines = dictionary.read_text(encoding="utf-8").splitlines()
        entries = dict(line.split("\t") for line in lines if "\t" in line)
        pairs = {}
        for line in homographs.read_text(encoding="utf-8").splitlines():
            word, *rest = line.lower().split("|")
            if len(rest) == 3 and rest[2] == "v":
                pairs[word] = (rest[0], rest[1])
        return cls(entries=entries, pairs=pairs)

    def __contains__(self, word: str) -> bool:
        return word in self._entries

    def find(self, word: str, *, before: str = "", after: str = "") -> Phonemes | None:
        """Return the sounds of a word in small letters, between its neighbours; None if unknown."""
        if word in self._pairs:
            as_verb, otherwise = self._pairs[word]
            verb = before in _BEFORE_VERBS or (not before and after in _AFTER_VERBS)
            return from_arpabet((as_verb if verb else otherwise).split())
        if word in self._entries:
            return from_dictionary(self._entries[word].split())
        return None
