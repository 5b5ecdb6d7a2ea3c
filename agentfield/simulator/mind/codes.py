"""Codes, addresses and other strings of a fixed form, also when they are spelled out."""

from __future__ import annotations

__all__ = ["Found", "emails", "matching", "uris", "uuids"]

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product

from agentfield.simulator.mind.english import DIGITS, SMALL, TENS
from agentfield.simulator.mind.patterns import is_quick
from agentfield.simulator.mind.words import Utterance, Word, bears_meaning

_LONGEST = 24
"""As many words, and as many characters, a code that is spelled out may have."""
_PARTS = re.compile(r"(?P<class>\[(?:\\.|[^]])*\])|\\?(?P<sign>[-/ _]|(?<=\\)\.)")
"""A class of characters, or a separator that a pattern names outside of them."""
_SOUNDS_LIKE = {"for": "4", "fore": "4", "to": "2", "too": "2", "ate": "8", "won": "1", "o": "0"}
_TIMES = {"double": 2, "triple": 3}
_SIGNS = {
    "oh": "0",
    "dash": "-",
    "hyphen": "-",
    "minus": "-",
    "slash": "/",
    "dot": ".",
    "underscore": "_",
}
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_SPOKEN_EMAIL = re.compile(
    r"(?P<local>[\w+-]+(?: (?:dot|underscore|dash|plus) [\w+-]+| ?\. ?[\w+-]+)*) at"
    r" (?P<host>[\w-]+(?:(?: dash [\w-]+)?(?: dot |\.)[\w-]+)+)",
    re.IGNORECASE,
)
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_URI = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A string and where it stands in the text."""

    value: str
    start: int
    end: int


def emails(utterance: Utterance) -> list[Found]:
    """Return e-mail addresses, also "ada at example dot org"."""
    written = [_found(match, match[0]) for match in _EMAIL.finditer(utterance.text)]
    if written:
        return written
    spoken = []
    for match in _SPOKEN_EMAIL.finditer(utterance.text):
        address = f"{_signs(match['local'])}@{_signs(match['host'])}"
        spoken.append(_found(match, address.lower()))
    return spoken


def uuids(utterance: Utterance) -> list[Found]:
    """Return UUIDs as they are written."""
    return [_found(match, match[0].lower()) for match in _UUID.finditer(utterance.text)]


def uris(utterance: Utterance) -> list[Found]:
    """Return addresses with a scheme."""
    found = [_found(match, match[0].rstrip(".,;!?")) for match in _URI.finditer(utterance.text)]
    return [each for each in found if not each.value.endswith("://")]


def matching(utterance: Utterance, pattern: str) -> list[Found]:
    """Return what matches a pattern as a whole, the longest first.

    Words beside each other are put together, number words become digits, letters capitals or not,
    and the separators that the pattern names are put in where they were not said. Where a pattern
    might be tried for ever, nothing is looked for.
    """
    if not is_quick(pattern):
        return []
    try:
        form = re.compile(pattern)
        bare = re.compile(_PARTS.sub(lambda part: part["class"] or "", pattern))
    except (re.error, OverflowError, RecursionError):
        return []
    separators = sorted({part["sign"] for part in _PARTS.finditer(pattern) if part["sign"]})
    found = []
    for alike in (False, True):
        for window, value in _spelled(utterance.words, alike=alike):
            for reading in dict.fromkeys((value, value.upper(), value.lower())):
                fitting = _fitting(form, bare, reading, separators)
                if fitting is not None:
                    start, end = window[0].start, window[-1].end
                    found.append(Found(value=fitting, start=start, end=end))
                    break
    return found


def _found(match: re.Match[str], value: str) -> Found:
    return Found(value=value, start=match.start(), end=match.end())


def _signs(text: str) -> str:
    for word, sign in {"dot": ".", "underscore": "_", "dash": "-", "plus": "+"}.items():
        text = re.sub(rf" {word} ", sign, text, flags=re.IGNORECASE)
    return re.sub(r"\s+", "", text)


def _spelled(words: Sequence[Word], *, alike: bool) -> list[tuple[Sequence[Word], str]]:
    """Return runs of words that may spell something, and what, the longest runs first."""
    runs = []
    for start in range(len(words)):
        pieces: list[str] = []
        for end in range(start + 1, min(start + _LONGEST, len(words)) + 1):
            before = words[end - 2] if end - start > 1 else None
            piece = _piece(words[end - 1], before, alike=alike)
            if piece is None:
                break
            if before is not None and before.low in TENS and words[end - 1].low in DIGITS:
                pieces[-1] = pieces[-1][:-1]
            pieces.append(piece)
            run, value = words[start:end], "".join(pieces)
            if _may_be_a_code(run, value, alike=alike):
                runs.append((run, value))
    return sorted(runs, key=lambda run: -len(run[0]))


def _may_be_a_code(run: Sequence[Word], value: str, *, alike: bool) -> bool:
    digits = sum(letter.isdigit() for letter in value)
    if len(run) == 1 and not digits:
        return run[0].text.isupper()
    letters = all(len(word.text) == 1 or word.text.isupper() for word in run)
    return len(value) <= _LONGEST and bool(digits > 2 if alike else digits or letters)


def _piece(word: Word, before: Word | None, *, alike: bool) -> str | None:
    """Return what a word stands for in something that is spelled; None if for nothing."""
    if word.low in _TIMES:
        return ""
    if word.low in SMALL or word.low in TENS:
        piece = str(SMALL.get(word.low, TENS.get(word.low)))
    elif word.low in _SIGNS:
        piece = _SIGNS[word.low]
    elif alike and word.low in _SOUNDS_LIKE:
        piece = _SOUNDS_LIKE[word.low]
    elif (
        len(word.text) == 1
        or word.text.isupper()
        or any(map(str.isdigit, word.text))
        or (before is None and len(word.text) <= 3 and bears_meaning(word))
    ):
        piece = word.text
    else:
        return None
    return piece * (_TIMES.get(before.low, 1) if before else 1)


def _fitting(
    form: re.Pattern[str], bare: re.Pattern[str], value: str, separators: Sequence[str]
) -> str | None:
    """Return the value as the form wants it, with one or two separators put in if need be."""
    if form.fullmatch(value):
        return value
    if not bare.fullmatch(value):
        return None
    for count in (1, 2):
        for places in combinations(range(1, len(value)), count):
            for signs in product(separators, repeat=count):
                whole = value
                for place, sign in zip(reversed(places), signs, strict=True):
                    whole = whole[:place] + sign + whole[place:]
                if form.fullmatch(whole):
                    return whole
    return None
