"""Dates and times of day as they are said.

There is no clock here: "tomorrow" is no date, and a date without a year is none either.
"""

from __future__ import annotations

__all__ = ["Moment", "dates", "times"]

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass

from agentfield.simulator.mind.english import MONTHS, ORDINALS, SMALL, TENS
from agentfield.simulator.mind.words import Utterance

_ORDINAL = "|".join(
    [
        "(?:twenty|thirty) (?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)",
        *sorted(ORDINALS, key=len, reverse=True),
    ]
)
_DAY = rf"(?P<day>\d{{1,2}}(?:st|nd|rd|th)?|{_ORDINAL})"
_MONTH = rf"(?P<month>{'|'.join(MONTHS)})"
_YEAR = r"(?P<year>\d{4}|(?:twenty|nineteen|two thousand)(?: and)?(?: [a-z]+){1,2})"
_DATES = tuple(
    re.compile(pattern.replace(" ", " +"))
    for pattern in (
        r"\b(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})\b",
        rf"\b(?:the )?{_DAY}(?: of)? {_MONTH} {_YEAR}\b",
        rf"\b{_MONTH}(?: the)? {_DAY} {_YEAR}\b",
    )
)
_COUNT = "|".join(sorted([*SMALL, *TENS], key=len, reverse=True))
_NUMBER = rf"(?:(?:twenty|thirty|forty|fifty) (?:{_COUNT})|{_COUNT}|\d{{1,2}})"
_HALF_DAY = (
    r"(?:\s*(?P<half>a\.?m\b\.?|p\.?m\b\.?|in the morning|in the afternoon|in the evening|at night"
    r"|tonight))?"
)
_SIDE = r"(?: minutes?)? (?P<side>past|to|after)"
_TIMES = tuple(
    re.compile(pattern.replace(" ", " +"))
    for pattern in (
        r"\b(?P<named>noon|midday|midnight)\b",
        rf"\b(?P<by>half|quarter|{_NUMBER}){_SIDE} (?P<hour>{_NUMBER})\b{_HALF_DAY}",
        rf"\b(?P<hour>\d{{1,2}})[:.](?P<minute>\d{{2}})\b(?: o'?clock)?{_HALF_DAY}",
        rf"\b(?P<hour>{_NUMBER})(?P<clock> o'?clock)\b{_HALF_DAY}",
        rf"\b(?P<hour>{_NUMBER}) (?P<minute>(?:oh )?{_NUMBER})\b{_HALF_DAY}",
        rf"\b(?P<hour>{_NUMBER})\b{_HALF_DAY}",
    )
)
_JOINTS = re.compile(r"(?<=[a-z])-(?=[a-z])|,")
"""What may stand between words in place of a space: "half-past", "May 5, 2026"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A date or a time of day as JSON has it, and where it stands in the text."""

    value: str
    start: int
    end: int


def dates(utterance: Utterance) -> list[Moment]:
    """Return the dates, as ``2026-05-31``."""
    found = []
    for pattern in _DATES:
        for match in pattern.finditer(_plain(utterance)):
            date = _date(match)
            if date is not None:
                found.append(Moment(value=date.isoformat(), start=match.start(), end=match.end()))
    return sorted(found, key=lambda each: each.start)


def times(utterance: Utterance, *, expected: bool = False) -> list[Moment]:
    """Return the times of day, as ``19:30:00``; without "pm" or the like hours are as said.

    A bare number is one only after "at", or when a time is ``expected``.
    """
    text = _plain(utterance)
    found: list[Moment] = []
    for pattern in _TIMES:
        for match in pattern.finditer(text):
            groups = match.groupdict()
            sure = any(groups.get(name) for name in ("named", "side", "clock", "half"))
            after_at = re.search(r"\bat\s+$", text[: match.start()])
            if not (sure or after_at or expected or ":" in match[0]):
                continue
            if any(match.start() < each.end and each.start < match.end() for each in found):
                continue
            time = _time(groups)
            if time is not None:
                found.append(Moment(value=time.isoformat(), start=match.start(), end=match.end()))
    return sorted(found, key=lambda each: each.start)


def _plain(utterance: Utterance) -> str:
    """Return the text in small letters, every character at its place."""
    return _JOINTS.sub(" ", utterance.text.lower())


def _date(match: re.Match[str]) -> dt.date | None:
    month = match["month"]
    day, year = _ordinal(match["day"]), _year(match["year"])
    number = int(month) if month.isdigit() else MONTHS.index(month) + 1
    try:
        return dt.date(year, number, day)
    except ValueError:
        return None


def _ordinal(text: str) -> int:
    if text[0].isdigit():
        return int(re.sub(r"\D", "", text))
    first, second = [*text.split(), ""][:2]
    return TENS[first] + ORDINALS[second] if second else ORDINALS[first]


def _year(text: str) -> int:
    if text.isdigit():
        return int(text)
    words = [word for word in text.split() if word != "and"]
    if words[0] == "two":
        return 2000 + _count(words[2:])
    return (20 if words[0] == "twenty" else 19) * 100 + _count(words[1:])


def _count(words: Sequence[str]) -> int:
    values = [SMALL.get(word, TENS.get(word)) for word in words]
    return sum(value for value in values if value is not None)


def _time(groups: dict[str, str | None]) -> dt.time | None:
    if groups.get("named"):
        return dt.time(0 if groups["named"] == "midnight" else 12)
    hour, minute = _value(groups["hour"] or ""), _value(groups.get("minute") or "0")
    if groups.get("side"):
        by = {"half": 30, "quarter": 15}.get(groups["by"] or "") or _value(groups["by"] or "")
        minute = 60 - by if groups["side"] == "to" else by
        hour -= groups["side"] == "to"
    half = " ".join((groups.get("half") or "").replace(".", "").split())
    if half in {"pm", "in the afternoon", "in the evening", "tonight", "at night"} and hour < 12:
        hour += 12
    if half in {"am", "in the morning"} and hour == 12:
        hour = 0
    try:
        return dt.time(hour % 24 if hour == 24 else hour, minute)
    except ValueError:
        return None


def _value(text: str) -> int:
    words = text.removeprefix("oh ").split()
    return sum(int(word) if word.isdigit() else _count([word]) for word in words)
