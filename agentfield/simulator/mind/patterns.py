"""Patterns of schemas come from clients: what might be tried for ever is not begun."""

from __future__ import annotations

__all__ = ["is_quick"]

import re
from functools import lru_cache
from math import log2

_PIECE = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^]\\])*\]|(?P<open>\((?:\?[^)]?)?)|(?P<close>\))|(?P<either>\|)"
    r"|(?P<times>[*+?]|\{(?P<least>\d*)(?P<to>,?)(?P<most>\d*)\})|.",
    re.DOTALL,
)
_ENDLESS = 24
"""What has no end is repeated so often at most in what callers spell."""
_MOST = log2(_ENDLESS**3)


@lru_cache(maxsize=64)
def is_quick(pattern: str) -> bool:
    """Return whether it is known soon if a value that callers spell has a pattern.

    Three parts may be of any length. A part without a fixed length, or a choice, in a group that
    repeats without an end is too much: a value can be divided in too many ways.
    """
    groups = [0.0]  # how many ways there are in those that are open, in bits; the innermost last
    last = 0.0  # in what the next piece may repeat
    for piece in _PIECE.finditer(pattern):
        if piece["times"]:
            least, most = _times(piece)
            groups[-1] += log2(most - least + 1) + last * (most - 1)
        elif piece["either"]:
            groups[-1] += 1
        elif piece["open"]:
            groups.append(0)
        last = 0
        if piece["close"] and len(groups) > 1:
            last = groups.pop()
            groups[-1] += last
    return sum(groups) <= _MOST


def _times(piece: re.Match[str]) -> tuple[int, int]:
    """Return how often something is repeated, at least and at most."""
    if piece["times"] in {"?", "*", "+"}:
        return (0, 1) if piece["times"] == "?" else (1, _ENDLESS)
    least = min(int(piece["least"] or 0), _ENDLESS)
    most = int(piece["most"] or _ENDLESS) if piece["to"] else least
    return least, max(1, least, min(most, _ENDLESS))
