"""Writes what was heard as people write it: digits that are said one by one become a number."""

from __future__ import annotations

__all__ = ["written"]

import re

_DIGITS = {
    "zero": "0",
    "oh": "0",
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
}
_SOUND_ALIKE = {"for": "4", "to": "2", "too": "2", "won": "1", "ate": "8"}
_NAMES = (
    "orders?|numbers?|tickets?|accounts?|rooms?|flights?|codes?|pin|id|cases?|invoices?|reference|"
    "bookings?|extension"
)
_DIGIT = rf"(?:{'|'.join(_DIGITS)})"
_RUN = re.compile(
    rf"(?:(?<=\b)(?P<named>(?:{_NAMES})(?: is)?),? (?P<alike>{'|'.join(_SOUND_ALIKE)}),? )?"
    rf"\b(?P<digits>{_DIGIT}(?:(?:, |-| ){_DIGIT})+)\b",
    re.IGNORECASE,
)
_LEAST = 3
"""Two are often two numbers: "one two-bedroom flat"."""
_HALF_DAY = re.compile(r"\b([ap])\. ?m\b\.?", re.IGNORECASE)
_BOOKISH = re.compile(r"\b(to)-(day|night|morrow)\b", re.IGNORECASE)
"""Some of what the recogniser learned from was printed a hundred years ago."""


def written(heard: str) -> str:
    """Return a transcript with numbers that were spelled in figures, as providers send it.

    "order for seven one one" is order 4711: what sounds like a digit is one between a word for
    something that has a number and two digits or more.
    """
    text = _BOOKISH.sub(r"\1\2", heard)
    text = _HALF_DAY.sub(lambda half: f"{half[1].lower()}.m.", text)
    return _RUN.sub(_number, text)


def _number(run: re.Match[str]) -> str:
    said = re.findall(r"[a-z]+", run["digits"].lower())
    digits = "".join(_DIGITS[word] for word in said)
    named = ""
    if run["named"]:
        named, digits = f"{run['named']} ", _SOUND_ALIKE[run["alike"].lower()] + digits
    return f"{named}{digits}" if len(digits) >= _LEAST else run[0]
