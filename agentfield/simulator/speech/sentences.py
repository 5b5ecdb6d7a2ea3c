"""Cuts text into pieces that can be spoken one after the other."""

from __future__ import annotations

__all__ = ["pieces"]

import re
from collections.abc import Iterator

_BEFORE_NAMES = frozenset("mr mrs ms dr prof st vs e.g i.e".split())
_SHORTENED = frozenset(
    "no approx dept inc ltd co corp etc jr sr a.m p.m u.s u.k ave blvd jan feb mar apr jun jul aug "
    "sep sept oct nov dec mon tue tues wed thu thur thurs fri sat sun".split()
)
"""Followed by a capital letter these end a sentence: "at 5 p.m. We"."""
_SENTENCE_ENDS = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s)\s*|\n+\s*")
_CLAUSE_ENDS = re.compile(r"[,;:][\"'”’)\]]*(?=\s)\s*|\s+[–—-]\s+|[–—]\s*")
_LEAST = 12
"""Characters a clause must have to be a piece of its own."""
_SOON = (60, 100)
"""The first two sentences, if longer than this, begin with a clause: a voice is heard the sooner, and
the piece after it is ready when it has been heard."""
_MOST = 160
"""Characters of the longest piece: what takes longer than about ten seconds to say."""


def pieces(text: str) -> Iterator[str]:
    """Yield sentences, and clauses of long ones; joined they are the text.

    The first piece is short where the text allows it.
    """
    said = 0
    for sentence in _sentences(text):
        rest = sentence
        while rest:
            most = _SOON[said] if said < len(_SOON) else _MOST
            at = _clause_end(rest, most) if len(rest.rstrip()) > most else len(rest)
            yield rest[:at]
            said, rest = said + 1, rest[at:]


def _sentences(text: str) -> Iterator[str]:
    begins = 0
    for end in _SENTENCE_ENDS.finditer(text):
        if not text[begins : end.start()].strip() or _is_abbreviation(text, end):
            continue
        yield text[begins : end.end()]
        begins = end.end()
    if begins < len(text):
        yield text[begins:]


def _is_abbreviation(text: str, end: re.Match[str]) -> bool:
    if not end[0].startswith(".") or end[0].startswith(".."):
        return False
    word = text[: end.start()].rsplit(maxsplit=1)[-1].lstrip("(\"'“‘").lower()
    initial = len(word) == 1 and word.isalpha() and word != "i"
    if word in _SHORTENED:
        return not text[end.end() : end.end() + 1].isupper() and not end[0].rstrip(" .")
    return word in _BEFORE_NAMES or initial


def _clause_end(sentence: str, most: int) -> int:
    """Return where the next piece ends: behind a clause, at worst between words."""
    ends = [
        end.end()
        for end in _CLAUSE_ENDS.finditer(sentence)
        if end.start() >= _LEAST and len(sentence) - end.end() >= _LEAST
    ]
    if most < _MOST and ends:
        return ends[0]
    within = [end for end in ends if end <= _MOST]
    if within:
        return within[-1]
    if len(sentence.rstrip()) <= _MOST:
        return len(sentence)
    space = sentence.rfind(" ", 0, _MOST)
    return space + 1 if space > 0 else _MOST
