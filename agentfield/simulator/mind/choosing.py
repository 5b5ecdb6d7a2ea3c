"""Which tool an utterance is about: by the words it shares with each."""

from __future__ import annotations

__all__ = ["answers_anything", "choose", "ranked"]

import math
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from agentfield.simulator.mind.filling import Filled, fill, is_text
from agentfield.simulator.mind.numbers import is_number
from agentfield.simulator.mind.schemas import parameters
from agentfield.simulator.mind.words import (
    Utterance,
    Word,
    bears_meaning,
    content,
    identifier_words,
    stem,
)
from agentfield.simulator.senses import Tool

ENOUGH = 0.8
"""What a tool must reach to be called."""
_MARGIN = 0.05
"""By how much the best must be ahead of the next."""
_NAME, _DESCRIPTION, _PARAMETERS = 1.2, 1.0, 0.6
_RECOGNISED = 0.4
"""What a tool gains whose values are recognised by their form, once for all of them."""
_TELLS = 0.2
"""What a tool that tells something gains from a question, and any other loses."""
_QUESTION = re.compile(
    r"(?:\w+ )?(?:how|what|what's|when|where|where's|which|who|who's|is|are|do|does|did)\b"
)
_TELLING = re.compile(
    r"(?:tell|find|look|list|read|show|get|check|count|search|track|answer|give|fetch|query|return"
    r"|describe|explain|forecast|say|report)s?\b",
    re.IGNORECASE,
)

_CALLER = r"(?:the|a|an|your)?\s*(?:caller|user|customer|guest|person|client|somebody|someone)s?"
_ANYTHING = re.compile(
    rf"\b(?:what|whatever|anything|everything)\s+{_CALLER}\s+(?:has |have )?"
    r"(?:said|says?|asks?|asked|wants?|needs?)\b"
    r"|\b(?:any|every|all)\s+(?:\w+\s+)?(?:questions?|requests?|utterances?|messages?|turns?)\b"
    rf"|\b{_CALLER}(?:'s|s')?\s+(?:questions?|words|utterances?|turns?|requests?)\b",
    re.IGNORECASE,
)


def choose(tools: Sequence[Tool], utterance: Utterance) -> Tool | None:
    """Return the tool that fits, or None.

    A tool that by its description takes whatever the caller says gets what fits no other.
    """
    order = ranked(tools, utterance)
    best, second = ([score for score, _ in order] + [0.0, 0.0])[:2]
    if best >= ENOUGH and best - second >= _MARGIN:
        return order[0][1]
    return next((tool for tool in tools if answers_anything(tool)), None)


def answers_anything(tool: Tool) -> bool:
    """Return whether a tool says of itself that it takes whatever the caller says."""
    return _ANYTHING.search(tool.description) is not None


def ranked(tools: Sequence[Tool], utterance: Utterance) -> list[tuple[float, Tool]]:
    """Return how well each tool fits, the best first."""
    known = [_vocabulary(tool) for tool in tools]
    rarity = _rarity(known)
    said = _said(utterance, rarity)
    order = [
        (
            _score(tool, utterance, {each: of[each] * rarity[each] for each in said & of.keys()}),
            tool,
        )
        for tool, of in zip(tools, known, strict=True)
    ]
    return sorted(order, key=lambda each: -each[0])


def _score(tool: Tool, utterance: Utterance, shared: Mapping[str, float]) -> float:
    """Return how well a tool fits the words it shares with the utterance."""
    if not shared:
        return 0.0
    filled = fill(tool, utterance)
    score = sum(shared.values()) + _RECOGNISED * bool(filled.recognised)
    if _QUESTION.match(utterance.plain):
        score += _TELLS if _TELLING.match(tool.description) else -_TELLS
    if any(each.required and is_text(each) for each in parameters(tool.parameters)):
        return score  # what else is said is what it is told
    return score if any(_understood(each, filled, shared) for each in utterance.clauses) else 0.0


def _understood(clause: Sequence[Word], filled: Filled, shared: Mapping[str, float]) -> bool:
    """Say whether a tool knows more than half of the words of a clause that bear meaning.

    Half is enough where it has recognised a value.
    """
    values = [
        word
        for word in clause
        if any(start <= word.start and word.end <= end for start, end in filled.recognised)
    ]
    said = {word.stem for word in clause if bears_meaning(word) and not is_number(word)}
    known = said & shared.keys()
    unknown = said - known - {word.stem for word in values}
    return bool(known) and len(known) + bool(values) > len(unknown)


def _vocabulary(tool: Tool) -> Mapping[str, float]:
    """Return the stems of the words that speak of a tool, and what each weighs."""
    weights: dict[str, float] = {}
    for each in parameters(tool.parameters):
        words = [
            *each.words,
            *(part for _, name in each.choices for part in identifier_words(name)),
        ]
        for one in (*content(" ".join(words)), *content(each.description)):
            weights[one] = _PARAMETERS
    for one in content(tool.description):
        weights[one] = _DESCRIPTION
    for one in content(" ".join(identifier_words(tool.name))):
        weights[one] = max(weights.get(one, 0.0), _NAME)
    return weights


def _rarity(known: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
    """Return 1 for a word that one tool alone has, less for what several share."""
    count = len(known)
    shared: dict[str, int] = {}
    for vocabulary in known:
        for each in vocabulary:
            shared[each] = shared.get(each, 0) + 1
    return {
        each: math.log(1 + count / times) / math.log(1 + count) for each, times in shared.items()
    }


def _said(utterance: Utterance, rarity: Mapping[str, float]) -> set[str]:
    """Return the stems of an utterance; two words beside each other may be one: "check out"."""
    said = set(content(utterance.text))
    lows = [word.low for word in utterance.words]
    joined = {stem(one + other) for one, other in pairwise(lows)}
    return said | (joined & rarity.keys())
