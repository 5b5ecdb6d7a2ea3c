"""Codes, addresses and other strings of a fixed form, also when they are spelled out."""

from __future__ import annotations

__all__ = ["Found", "emails", "matching", "uris", "uuids"]

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product

from agentfield.simulator.mind.english import DIGITS, SMALL, TENS
from agentfield.simulator.mind.words import Utterance, Word, content

_LONGEST = 24
"""As many words a code that is spelled out may have."""
_SEPARATORS = "-/. _"
_SOUNDS_LIKE = {"for": "4", "fore": "4", "to": "2", "too": "2", "ate": "8", "won": "1", "o": "0"}
_SIGNS = {"dash": "-", "hyphen": "-", "minus": "-", "slash": "/", "dot": ".", "underscore": "_"}
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


def matching(utterance: Utterance, pattern: str) -> Iterator[Found]:
    """Yield what matches a pattern as a whole, the longest first.

    Words beside each other are put together, number words become digits, letters capitals or not,
    and the separators that the pattern names are put in where they were not said.
    """
    try:
        form = re.compile(pattern)
    except re.error:
        return
    separators = [sign for sign in _SEPARATORS if sign in re.sub(r"\[[^]]*\]|\\d|\\w", "", pattern)]
    words = utterance.words
    for alike in (False, True):
        for length in range(min(len(words), _LONGEST), 0, -1):
            for start in range(len(words) - length + 1):
                window = words[start : start + length]
                for value in _readings(window, alike=alike):
                    fitting = _fitting(form, value, separators)
                    if fitting is not None:
                        yield Found(value=fitting, start=window[0].start, end=window[-1].end)
                        break


def _found(match: re.Match[str], value: str) -> Found:
    return Found(value=value, start=match.start(), end=match.end())


def _signs(text: str) -> str:
    for word, sign in {"dot": ".", "underscore": "_", "dash": "-", "plus": "+"}.items():
        text = re.sub(rf" {word} ", sign, text, flags=re.IGNORECASE)
    return re.sub(r"\s+", "", text)


def _readings(window: Sequence[Word], *, alike: bool) -> Iterator[str]:
    """Yield what these words may spell; nothing if one of them spells nothing."""
    pieces: list[str] = []
    place = 0
    while place < len(window):
        word = window[place]
        times = {"double": 2, "triple": 3}.get(word.low, 1)
        if times > 1 and place + 1 < len(window):
            place += 1
            word = window[place]
        piece = _piece(word, first=place == 0, alone=len(window) == 1, alike=alike)
        if piece is None:
            return
        if pieces and word.low in DIGITS and window[place - 1].low in TENS:
            pieces[-1] = pieces[-1][:-1]
        pieces.append(piece * times)
        place += 1
    value = "".join(pieces)
    digits = sum(letter.isdigit() for letter in value)
    spelled = digits or all(len(word.text) == 1 or word.text.isupper() for word in window)
    if spelled and (digits > 2 or not alike):
        yield from dict.fromkeys((value, value.upper(), value.lower()))


def _piece(word: Word, *, first: bool, alone: bool, alike: bool) -> str | None:
    """Return what one word stands for in something that is spelled; None if for nothing."""
    if word.low in SMALL or word.low in TENS:
        return str(SMALL.get(word.low, TENS.get(word.low)))
    meant = {**_SIGNS, "oh": "0", **(_SOUNDS_LIKE if alike else {})}.get(word.low)
    if meant is not None:
        return meant
    written = len(word.text) == 1 or any(letter.isdigit() for letter in word.text)
    capitals = word.text.isupper() and len(word.text) <= 8
    short = len(word.text) <= 3 and first and not alone and bool(content(word.text))
    return word.text if written or capitals or short else None


def _fitting(form: re.Pattern[str], value: str, separators: Sequence[str]) -> str | None:
    """Return the value as the form wants it, with one or two separators put in if need be."""
    if form.fullmatch(value):
        return value
    for count in (1, 2) if len(value) <= 16 else ():
        for places in combinations(range(1, len(value)), count):
            for signs in product(separators, repeat=count):
                whole = value
                for place, sign in zip(reversed(places), signs, strict=True):
                    whole = whole[:place] + sign + whole[place:]
                if form.fullmatch(whole):
                    return whole
    return None
