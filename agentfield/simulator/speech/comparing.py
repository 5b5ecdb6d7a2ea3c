"""How alike what was said and what was heard are."""

from __future__ import annotations

__all__ = ["word_errors"]

import re

from agentfield.simulator.speech.readable import readable


def word_errors(said: str, heard: str) -> tuple[int, int]:
    """Return how many words must be changed, added or left out, and how many were said.

    Numbers count as the words they are read as, capitals and punctuation not at all.
    """
    expected, actual = _words(said), _words(heard)
    row = list(range(len(actual) + 1))
    for n, word in enumerate(expected, 1):
        before, row = row, [n]
        for at, other in enumerate(actual, 1):
            row.append(min(before[at] + 1, row[-1] + 1, before[at - 1] + (word != other)))
    return row[-1], len(expected)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", readable(text).lower().replace("-", " "))
