"""Spoken words: whether two texts say the same, and how much of one was heard by a time."""

from __future__ import annotations

__all__ = ["expected_seconds", "heard_words", "same_words"]

import re

CHARACTERS_PER_SECOND = 15.0
"""About 150 words of English a minute. An estimate, and marked as one wherever it is used."""

_WORD = re.compile(r"\w+")


def same_words(one: str, other: str) -> bool:
    """Return whether two texts are the same but for case, spaces and punctuation."""
    return _WORD.findall(one.casefold()) == _WORD.findall(other.casefold())


def expected_seconds(text: str) -> float:
    """Return about how long a text takes to say."""
    return max(1.0, len(text) / CHARACTERS_PER_SECOND)


def heard_words(text: str, milliseconds: float) -> str:
    """Return the whole words of a text that are about said by a time."""
    characters = int(milliseconds * CHARACTERS_PER_SECOND / 1000)
    if characters >= len(text):
        return text
    return text[:characters].rpartition(" ")[0]
