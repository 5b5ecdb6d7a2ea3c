"""Writes out what is read differently than it is written: numbers, signs, short forms."""

from __future__ import annotations

__all__ = ["readable"]

import re
import unicodedata

from agentfield.simulator.speech.quantities import NUMBERS, Rule

_SHORT_FORMS = {
    "mr.": "mister",
    "mrs.": "missis",
    "ms.": "miz",
    "dr.": "doctor",
    "prof.": "professor",
    "jr.": "junior",
    "sr.": "senior",
    "vs.": "versus",
    "etc.": "et cetera",
    "e.g.": "for example",
    "i.e.": "that is",
    "approx.": "approximately",
    "dept.": "department",
    "inc.": "incorporated",
    "ltd.": "limited",
    "corp.": "corporation",
    "ave.": "avenue",
    "blvd.": "boulevard",
    "mon.": "Monday",
    "tue.": "Tuesday",
    "tues.": "Tuesday",
    "wed.": "Wednesday",
    "thu.": "Thursday",
    "thurs.": "Thursday",
    "fri.": "Friday",
}
_BEFORE_NUMBERS = {"no": "number", "ref": "reference", "ext": "extension"}
_SIGNS = {
    "&": " and ",
    "@": " at ",
    "%": " percent ",
    "+": " plus ",
    "=": " equals ",
    "#": " ",
    "/": " slash ",
    "\\": " backslash ",
    "<": " less than ",
    ">": " greater than ",
    "°": " degrees ",
}
_PLAIN = str.maketrans(
    {
        "‘": "'",
        "’": "'",
        "“": '"',
        "”": '"',
        "–": ", ",
        "—": ", ",
        "_": " ",
        "*": " ",
        "ß": "ss",
        "æ": "ae",
        "œ": "oe",
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "th",
        "þ": "th",
        "Æ": "Ae",
        "Œ": "Oe",
        "Ø": "O",
        "Ł": "L",
        "Đ": "D",
        "Ð": "Th",
        "Þ": "Th",
    }
)
"""Signs and letters that are not taken apart by themselves."""
_WORDS: tuple[Rule, ...] = (
    (re.compile(r"https?://(?:www\.)?|(?<!\S)www\."), lambda _: ""),
    (
        re.compile(rf"(?<![\w.])(?:{'|'.join(map(re.escape, _SHORT_FORMS))})(?!\w)", re.IGNORECASE),
        lambda match: _SHORT_FORMS[match[0].lower()],
    ),
    (
        re.compile(r"\b(no|ref|ext)\.(?=\s*\d)", re.IGNORECASE),
        lambda match: _BEFORE_NUMBERS[match[1].lower()],
    ),
    (re.compile(r"(?<=[a-z] )St\."), lambda _: "Street"),
    (re.compile(r"\bSt\.(?=\s+[A-Z])"), lambda _: "Saint"),
    (re.compile(r"(?<=[^\W\d_]{2})\.(?=[^\W\d_]{2})"), lambda _: " dot "),
)


def readable(text: str) -> str:
    """Return the text in words and the punctuation that a voice follows.

    Letters of other scripts stay: whoever pronounces the words leaves them out.
    """
    text = _without_accents(text).translate(_PLAIN)
    for pattern, written_out in (*_WORDS, *NUMBERS):
        text = pattern.sub(written_out, text)
    for sign, words in _SIGNS.items():
        text = text.replace(sign, words)
    return re.sub(r"\s+([,.;:!?])", r"\1", " ".join(text.split()))


def _without_accents(text: str) -> str:
    """Return the letters that dictionaries of English know: é is e, and full width is narrow."""
    letters = unicodedata.normalize("NFKD", text)
    return "".join(each for each in letters if unicodedata.category(each) not in {"Mn", "Cf"})
