"""Numbers as they are said: figures, words, halves and dozens, with their units."""

from __future__ import annotations

__all__ = ["Number", "Unit", "is_number", "numbers", "unit_of"]

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agentfield.simulator.mind.english import DIGITS, GREAT, SMALL, TENS, UNITS
from agentfield.simulator.mind.words import Word, stem

_TIMES = {"double": 2, "triple": 3}
_FIGURES = re.compile(r"([$€£]?)(\d+(?:,\d{3})+|\d+)(\.\d+)?([a-z%°]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What is measured, and how many of the smallest unit of it this one is."""

    of: str
    factor: float


_NO_UNIT = Unit(of="", factor=1)
_MONEY = frozenset({"dollars", "euros", "pounds"})
_UNITS = {
    stem(name): Unit(of=of, factor=factor)
    for of, names in UNITS.items()
    for name, factor in names.items()
}


def is_number(word: Word) -> bool:
    """Return whether a word is a number or belongs to one."""
    numeral = word.low in SMALL or word.low in TENS or word.low in GREAT or word.low in DIGITS
    return numeral or _FIGURES.fullmatch(word.low) is not None


def unit_of(word: str) -> Unit | None:
    """Return the unit that a word names."""
    return _UNITS.get(stem(word))


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number in an utterance: words ``start`` to before ``end``, its unit not counted."""

    value: float
    start: int
    end: int
    unit: Unit | None = None

    def within(self, unit: Unit | None) -> float | None:
        """Return how many of this unit it is; None if it is something else."""
        if unit is None or self.unit is None:
            return self.value
        if unit.of != self.unit.of:
            return None
        return round(self.value * self.unit.factor / unit.factor, 9)


def numbers(words: Sequence[Word]) -> list[Number]:
    """Return all numbers, in order."""
    found = []
    place = 0
    while place < len(words):
        number = _number(words, place)
        if number is None:
            place += 1
        else:
            found.append(number)
            place = number.end
    return found


def _number(words: Sequence[Word], start: int) -> Number | None:
    said = [word.low for word in words]
    place = start + (said[start] in {"minus", "negative"})
    sign = -1 if place > start else 1
    if place == len(said):
        return None
    unit = unit_of(said[place]) if said[place] in {"$", "€", "£"} else None
    read = _spelled(said, place) or _read(said, place + (unit is not None))
    if read is None:
        return None
    value, end, glued = read
    if unit is None and glued:
        unit = unit_of(glued)
    unit = unit or _unit_behind(said[end : end + 2])
    more, end = _more(said, end) if unit else (0.0, end)
    return Number(value=sign * (value + more), start=start, end=end, unit=unit)


def _unit_behind(following: Sequence[str]) -> Unit | None:
    """Return the unit of "ten minutes", "half an hour" and "ten per cent"."""
    if list(following) == ["per", "cent"]:
        return unit_of("percent")
    if following and following[0] in {"a", "an", "of"}:
        following = following[1:]
    return unit_of(following[0]) if following else None


def _more(said: Sequence[str], end: int) -> tuple[float, int]:
    """Read what follows a unit: "two hours and a half", "ten dollars and fifty cents".

    Without "cents" they are tens, and follow at once: "ten dollars fifty".
    """
    if list(said[end + 1 : end + 4]) == ["and", "a", "half"]:
        return 0.5, end + 4
    place = end + 2 if list(said[end + 1 : end + 2]) == ["and"] else end + 1
    cents = _read(said, place) if place < len(said) else None
    if cents is None or cents[0] >= 100:
        return 0.0, end
    value, after, _ = cents
    if said[after : after + 1] in (["cents"], ["cent"], ["pence"]):
        return value / 100, after + 1
    money = (unit_of(said[end]) or _NO_UNIT).of in _MONEY
    if money and place == end + 1 and value >= 10 and _unit_behind(said[after : after + 2]) is None:
        return value / 100, after
    return 0.0, end


def _spelled(said: Sequence[str], place: int) -> tuple[float, int, str] | None:
    """Read three or more digits that are said one by one."""
    digits, at = "", place
    while at < len(said):
        times = _TIMES.get(said[at], 1)
        digit = DIGITS.get(said[at + 1] if times > 1 and at + 1 < len(said) else said[at])
        if digit is None:
            break
        digits += digit * times
        at += 2 if times > 1 else 1
    followed = said[at] if at < len(said) else ""
    if len(digits) < 3 or followed in GREAT or followed in {"point", "and"}:
        return None
    return float(digits), at, ""


def _read(said: Sequence[str], place: int) -> tuple[float, int, str] | None:
    here = said[place] if place < len(said) else ""
    following = list(said[place + 1 : place + 3])
    if here in {"a", "an", "half"} and following[:1] != [] and following[0] not in GREAT:
        return _vague(here, following, place)
    whole = _figures(said, place) or _worded(said, place) if here else None
    if whole is None:
        return None
    value, end, glued = whole
    return (*_fraction(said, value, end), glued)


def _vague(here: str, following: Sequence[str], place: int) -> tuple[float, int, str] | None:
    """Read "a dozen", "half an hour" and the like."""
    match here, *following:
        case "half", ("a" | "an"), "dozen":
            return 6, place + 3, ""
        case ("half", "dozen", *_):
            return 6, place + 2, ""
        case ("half", ("a" | "an"), *_):
            return 0.5, place + 1, ""
        case (("a" | "an"), ("dozen" | "couple" | "half") as amount, *_):
            return {"dozen": 12, "couple": 2, "half": 0.5}[amount], place + 2, ""
    return None


def _figures(said: Sequence[str], place: int) -> tuple[float, int, str] | None:
    match = _FIGURES.fullmatch(said[place])
    if match is None or (match[4] and unit_of(match[4]) is None):
        return None
    value, end = float(match[2].replace(",", "") + (match[3] or "")), place + 1
    while end < len(said) and said[end] in GREAT:
        value, end = value * GREAT[said[end]], end + 1
    return value, end, match[4] or match[1]


def _worded(said: Sequence[str], place: int) -> tuple[float, int, str] | None:
    total, current, at, room = 0, 0, place, 1000
    while at < len(said):
        word = said[at]
        if word in SMALL and SMALL[word] < room:
            current, room = current + SMALL[word], 0
        elif word in TENS and room > 10:
            current, room = current + TENS[word], 10
        elif (
            word in {"a", "an"} and said[at + 1 : at + 2] and said[at + 1] in GREAT and not current
        ):
            pass
        elif word in GREAT:
            current, room = max(current, 1) * GREAT[word], 100
            if word != "hundred":
                total, current, room = total + current, 0, 1000
        elif word == "and" and at > place and said[at - 1] in GREAT and _counts(said, at + 1):
            pass
        else:
            break
        at += 1
    if at < len(said) and said[at] == "dozen" and at > place:
        return (total + current) * 12, at + 1, ""
    return (total + current, at, "") if at > place else None


def _counts(said: Sequence[str], place: int) -> bool:
    return place < len(said) and (said[place] in SMALL or said[place] in TENS)


def _fraction(said: Sequence[str], value: float, end: int) -> tuple[float, int]:
    if list(said[end : end + 3]) == ["and", "a", "half"]:
        return value + 0.5, end + 3
    if list(said[end : end + 3]) == ["and", "a", "quarter"]:
        return value + 0.25, end + 3
    if said[end : end + 1] == ["point"]:
        digits, at = "", end + 1
        while at < len(said) and (said[at] in DIGITS or said[at].isdigit()):
            digits += DIGITS.get(said[at], said[at])
            at += 1
        if digits:
            return float(f"{value:.0f}.{digits}"), at
    return value, end
