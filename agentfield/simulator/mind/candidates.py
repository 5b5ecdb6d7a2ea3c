"""Which values for a parameter an utterance holds, and how surely."""

from __future__ import annotations

__all__ = ["Candidate", "candidates"]

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agentfield.simulator.mind.codes import Found, emails, matching, uris, uuids
from agentfield.simulator.mind.numbers import Number, Unit, numbers, unit_of
from agentfield.simulator.mind.schemas import Parameter, fits
from agentfield.simulator.mind.times import Moment, dates, times
from agentfield.simulator.mind.words import Utterance, Word, content, identifier_words, stem

CLEAR = 3.0
"""Optional parameters are left out below this."""

_FROM = frozenset({"from", "source", "origin", "departure"})
_TO = frozenset({"to", "target", "destination", "recipient"})
_OPPOSITES = (("on", "off"), ("open", "closed"), ("open", "close"), ("up", "down"))
_NEGATIONS = frozenset({"not", "no", "without", "never", "don't", "isn't", "aren't", "doesn't"})
_YES = re.compile(
    r"(oh |um |uh )*(yes|yeah|yep|yup|sure|of course|certainly|please do|right|correct|okay|ok|true)\b"
)
_NO = re.compile(r"(oh |um |uh )*(no|nope|nah|not|false|i don't|there isn't)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A value, and which part of the text it is taken from; nothing else is taken from there."""

    value: Any
    start: int
    end: int
    sure: float


def candidates(
    parameter: Parameter,
    utterance: Utterance,
    *,
    asked: bool = False,
    known: frozenset[str] = frozenset(),
) -> list[Candidate]:
    """Return valid values, the surest first.

    ``asked``: the utterance answers a question for it. ``known``: stems that speak of the tool,
    not of this parameter.
    """
    found = sorted(_any(parameter, utterance, asked=asked, known=known), key=lambda c: -c.sure)
    return [each for each in found if fits(each.value, parameter.schema)]


def _any(
    parameter: Parameter, utterance: Utterance, *, asked: bool, known: frozenset[str]
) -> Iterator[Candidate]:
    if parameter.kind == "array":
        yield from _array(parameter, utterance, asked=asked)
    elif parameter.choices:
        yield from _choices(parameter, utterance, asked=asked)
    elif parameter.kind in {"integer", "number"}:
        yield from _numbers(parameter, utterance)
    elif parameter.kind == "boolean":
        yield from _boolean(parameter, utterance, asked=asked, known=known)
    elif parameter.kind == "string":
        yield from _strings(parameter, utterance, asked=asked)


def direction(parameter: Parameter) -> str:
    """Return "from" or "to" when a parameter is where something comes from or goes to."""
    names = set(parameter.words)
    last = re.findall(r"\w+", parameter.description.lower())[-1:]
    if names & _FROM or last == ["from"]:
        return "from"
    return "to" if names & _TO or last == ["to"] else ""


_FORMATS: Mapping[str, Callable[[Utterance], Sequence[Found]]] = {
    "email": emails,
    "uuid": uuids,
    "uri": uris,
}


def _strings(parameter: Parameter, utterance: Utterance, *, asked: bool) -> Iterator[Candidate]:
    found: list[Found | Moment] = []
    kind = str(parameter.schema.get("format"))
    if pattern := parameter.schema.get("pattern"):
        found += matching(utterance, str(pattern))
    elif kind in _FORMATS:
        found += _FORMATS[kind](utterance)
    elif kind == "date":
        found += dates(utterance)
    elif kind == "time":
        found += times(utterance, expected=asked)
    elif kind == "date-time":
        days, hours = dates(utterance), times(utterance, expected=asked)
        if days and hours:
            ends = days[0].start, days[0].end, hours[0].start, hours[0].end
            whole = f"{days[0].value}T{hours[0].value}"
            found.append(Moment(value=whole, start=min(ends), end=max(ends)))
    for each in found:
        yield Candidate(value=each.value, start=each.start, end=each.end, sure=6)


def _numbers(parameter: Parameter, utterance: Utterance) -> Iterator[Candidate]:
    words = utterance.words
    about = {stem(each) for each in parameter.words} | set(content(parameter.description))
    unit = _unit(parameter)
    found = numbers(words)
    for number in found or _misheard(words, about):
        value = number.within(unit)
        if value is None:
            continue
        beside = {word.stem for word in words[max(0, number.start - 2) : number.start]}
        beside |= {word.stem for word in words[number.end : number.end + 2]}
        sure = 1 + 3 * bool(unit and number.unit) + 2 * bool(beside & about)
        whole: float = int(value) if value == int(value) else value
        yield Candidate(
            value=whole,
            start=words[number.start].start,
            end=words[number.end - 1].end,
            sure=sure,
        )


def _misheard(words: Sequence[Word], about: set[str]) -> Iterator[Number]:
    """Yield "for tickets" and "to tickets" as numbers, which is how they sound."""
    for place, word in enumerate(words[:-1]):
        value = {"for": 4, "to": 2, "too": 2}.get(word.low)
        if value and words[place + 1].stem in about:
            yield Number(value=value, start=place, end=place + 1)


def _unit(parameter: Parameter) -> Unit | None:
    names = [*parameter.words, *re.findall(r"\w+", parameter.description)]
    return next((unit for name in names if (unit := unit_of(name))), None)


def _choices(parameter: Parameter, utterance: Utterance, *, asked: bool) -> Iterator[Candidate]:
    words = utterance.words
    stems = [word.stem for word in words]
    called = [
        (value, [stem(part) for part in identifier_words(name)])
        for value, name in parameter.choices
    ]
    heading = direction(parameter)
    for value, parts in called:
        for place in range(len(stems)):
            length = _length(stems[place:], parts)
            if not length or _too_short(parts, words, place, parameter, asked=asked):
                continue
            sure = 5 + 0.1 * length
            if heading:
                towards = _heading(words, place)
                if towards and towards != heading:
                    continue
                sure += 2 * (towards == heading)
            yield _span(words, place, place + length, value, sure)
    yield from _parts_of_choices(called, words)
    for number in numbers(words):
        for value, name in parameter.choices:
            if name.isdecimal() and int(name) == number.value:
                yield _span(words, number.start, number.end, value, 1)


def _length(stems: Sequence[str], parts: Sequence[str]) -> int:
    """Return how many words say this; 0 if they do not.

    One word may be two parts and the other way round: "a1", "check out".
    """
    if parts and list(stems[: len(parts)]) == list(parts):
        return len(parts)
    joined = "".join(parts)
    if joined and stems[0] == joined:
        return 1
    return 2 if len(stems) > 1 and len(joined) > 3 and stems[0] + stems[1] == joined else 0


def _too_short(
    parts: Sequence[str], words: Sequence[Word], place: int, parameter: Parameter, *, asked: bool
) -> bool:
    """Say whether it is a single letter that may well be something else."""
    if len(parts) > 1 or len(parts[0]) > 1 or asked:
        return False
    before = words[place - 1].stem if place else ""
    return before not in {stem(each) for each in parameter.words}


def _parts_of_choices(
    called: Sequence[tuple[Any, Sequence[str]]], words: Sequence[Word]
) -> Iterator[Candidate]:
    """Yield choices of several words of which one is said that no other has."""
    for value, parts in called:
        others = {part for other, theirs in called if other != value for part in theirs}
        for place, word in enumerate(words):
            if (
                len(parts) > 1
                and word.stem in parts
                and word.stem not in others
                and len(word.low) > 2
            ):
                yield _span(words, place, place + 1, value, 0.5)


def _heading(words: Sequence[Word], place: int) -> str:
    for word in reversed(words[max(0, place - 3) : place]):
        if word.low in {"from", "to", "into"}:
            return "from" if word.low == "from" else "to"
    return ""


def _span(words: Sequence[Word], start: int, end: int, value: Any, sure: float) -> Candidate:
    return Candidate(value=value, start=words[start].start, end=words[end - 1].end, sure=sure)


def _boolean(
    parameter: Parameter, utterance: Utterance, *, asked: bool, known: frozenset[str]
) -> Iterator[Candidate]:
    plain = utterance.plain
    if asked and (said := _YES.match(plain) or _NO.match(plain)):
        yield Candidate(value=said.re is _YES, start=0, end=0, sure=6)
    lows = [word.low for word in utterance.words]
    for one, other in _OPPOSITES:
        for name, opposite in ((one, other), (other, one)):
            if name in parameter.words and (opposite in lows or name in lows):
                yield Candidate(value=opposite not in lows, start=0, end=0, sure=5)
    about = {stem(each) for each in parameter.words} | set(content(parameter.description))
    for place, word in enumerate(utterance.words):
        if word.stem in about - known and len(word.low) > 2:
            negated = _NEGATIONS & set(lows[max(0, place - 3) : place])
            yield Candidate(value=not negated, start=0, end=0, sure=4)


def _array(parameter: Parameter, utterance: Utterance, *, asked: bool) -> Iterator[Candidate]:
    items = parameter.schema.get("items", {})
    one = replace(parameter, schema=items)
    if one.kind in {"integer", "number"} or one.choices:
        found = sorted(_any(one, utterance, asked=asked, known=frozenset()), key=lambda c: c.start)
        found = [each for each in found if fits(each.value, items)]
        if found:
            values = list(dict.fromkeys(each.value for each in found))
            yield Candidate(
                value=values,
                start=found[0].start,
                end=found[-1].end,
                sure=max(each.sure for each in found),
            )
    elif asked and one.kind in {"string", "any"} and "pattern" not in items:
        parts = re.split(r",\s*(?:and\s+)?|\s+and\s+", utterance.text.strip(" .!?"))
        values = [part.strip() for part in parts if part.strip()]
        yield Candidate(value=values, start=0, end=len(utterance.text), sure=2)
