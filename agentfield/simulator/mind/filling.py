"""Arguments by schema, out of what the caller said."""

from __future__ import annotations

__all__ = ["Filled", "fill", "is_text"]

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentfield.simulator.mind.candidates import CLEAR, Candidate, candidates, direction
from agentfield.simulator.mind.english import FILLERS
from agentfield.simulator.mind.schemas import Parameter, Path, arguments_of, fits, parameters
from agentfield.simulator.mind.words import Utterance, content, identifier_words, stem
from agentfield.simulator.senses import Tool

_LEADING = re.compile(rf"(?:(?:{'|'.join(sorted(FILLERS))})\b[\s,.]*)+", re.IGNORECASE)
_STOPS = r"(?=\s+(?:from|to|on|at|for|with|please)\b|[,.!?;]|$)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What is known of the arguments of a call."""

    tool: Tool
    values: Mapping[Path, Any]
    missing: Sequence[Parameter]
    """What is required and not known, in the order of the schema."""
    recognised: Sequence[tuple[int, int]]
    """Where in the utterance required values stand, found by what they look like; plain words and
    yes or no do not count."""

    @property
    def arguments(self) -> dict[str, Any] | None:
        """The arguments; None as long as they are not valid."""
        schema = self.tool.parameters
        return arguments_of(schema, parameters(schema), self.values)


def fill(
    tool: Tool,
    utterance: Utterance,
    *,
    known: Mapping[Path, Any] | None = None,
    asked: Path | None = None,
    anything: bool = False,
) -> Filled:
    """Take from an utterance what the tool asks for.

    ``asked``: the parameter whose question it answers, with the ``known`` values before. With
    ``anything`` each text that is required takes the utterance, however many there are.
    """
    every = parameters(tool.parameters)
    values = dict(known or {})
    open_ones = [each for each in every if each.path not in values]
    recognised = _assign(tool, open_ones, utterance, asked, values)
    texts = [each for each in open_ones if each.required and is_text(each)]
    if asked is None:
        _take_words(texts, utterance, values, alone=len(texts) == 1 or anything)
    elif any(each.path == asked for each in texts) and asked not in values:
        values[asked] = _without_fillers(utterance.text)
    _take_given(open_ones, values)
    for each in open_ones:
        if each.path in values and not _worth_saying(each, values[each.path]):
            del values[each.path]
    missing = [each for each in every if each.required and each.path not in values]
    return Filled(tool=tool, values=values, missing=missing, recognised=recognised)


def _assign(
    tool: Tool,
    wanted: Sequence[Parameter],
    utterance: Utterance,
    asked: Path | None,
    values: dict[Path, Any],
) -> Sequence[tuple[int, int]]:
    """Give each parameter the surest value that no surer one is taken from."""
    spoken_of = {stem(each) for each in identifier_words(tool.name)} | set(
        content(tool.description)
    )
    offers: list[tuple[float, int, int, Parameter, Candidate]] = []
    for order, each in enumerate(wanted):
        is_asked = each.path == asked
        for candidate in candidates(
            each, utterance, asked=is_asked, known=frozenset() if is_asked else frozenset(spoken_of)
        ):
            sure = candidate.sure + 10 * is_asked
            clearly = each.required if asked is None else is_asked
            if clearly or sure >= CLEAR:
                offers.append((-sure, order, candidate.start, each, candidate))
    taken: list[Candidate] = []
    recognised: list[tuple[int, int]] = []
    for _, _, _, each, candidate in sorted(offers, key=lambda offer: offer[:3]):
        if each.path in values or any(_overlap(candidate, other) for other in taken):
            continue
        values[each.path] = candidate.value
        taken.append(candidate)
        if each.required and candidate.end and candidate.sure >= 1:
            recognised.append((candidate.start, candidate.end))
    return recognised


def _worth_saying(parameter: Parameter, value: Any) -> bool:
    """Say whether a value is valid, and more than what counts without it."""
    default = parameter.schema.get("default")
    return fits(value, parameter.schema) and (parameter.required or value != default)


def _overlap(one: Candidate, other: Candidate) -> bool:
    return one.start < other.end and other.start < one.end


def is_text(parameter: Parameter) -> bool:
    """Say whether any words will do."""
    schema = parameter.schema
    formed = schema.get("format") in {"date", "time", "date-time", "email", "uuid", "uri", "binary"}
    bound = any(key in schema for key in ("enum", "const", "pattern", "oneOf")) or formed
    return parameter.kind in {"string", "any"} and not bound


def _take_words(
    texts: Sequence[Parameter], utterance: Utterance, values: dict[Path, Any], *, alone: bool
) -> None:
    for each in texts:
        if alone:
            values[each.path] = utterance.text.strip()
        elif heading := direction(each):
            said = re.search(rf"\b{heading}\s+(.+?){_STOPS}", utterance.text, re.IGNORECASE)
            if said:
                values[each.path] = said[1].strip()


def _take_given(wanted: Sequence[Parameter], values: dict[Path, Any]) -> None:
    """Fill what nobody needs to be asked for."""
    for each in wanted:
        if each.path in values or not each.required:
            continue
        if "const" in each.schema:
            values[each.path] = each.schema["const"]
        elif "default" in each.schema:
            values[each.path] = each.schema["default"]
        elif each.kind == "null":
            values[each.path] = None
        elif each.kind == "object" and fits({}, each.schema):
            values[each.path] = {}


def _without_fillers(text: str) -> str:
    return _LEADING.sub("", text.strip(), count=1).strip() or text.strip()
