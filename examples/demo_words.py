"""How much two texts differ, by words: what was said, and what was understood of it."""

from __future__ import annotations

__all__ = ["differences", "words_of"]

import re


def words_of(text: str) -> list[str]:
    """Return the words of a text: ``where's`` is two, ``to-day`` one, and nothing is a capital."""
    return re.findall(r"[a-z0-9']+", text.lower().replace("'s ", " is ").replace("-", ""))


def differences(said: str, understood: str) -> int:
    """Return how many words were left out, put in, or taken for another one."""
    heard = words_of(understood)
    costs = list(range(len(heard) + 1))
    for row, word in enumerate(words_of(said), 1):
        before = row - 1
        costs[0] = row
        for column, other in enumerate(heard, 1):
            cost = min(costs[column] + 1, costs[column - 1] + 1, before + (word != other))
            before, costs[column] = costs[column], cost
    return costs[-1]
