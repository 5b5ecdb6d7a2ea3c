"""Words as they are said and as identifiers hide them, and what of them bears meaning. English."""

from __future__ import annotations

__all__ = ["Utterance", "Word", "bears_meaning", "content", "identifier_words", "stem"]

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from agentfield.simulator.mind.english import ODD_FORMS, SILENT

_WORD = re.compile(r"\d+(?:[.,:]\d+)+(?![^\W_])|[^\W_]+(?:['\u2019][^\W_]+)*|[$€£%°]")
_SEAMS = re.compile(
    r"[\W_]+|(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=\d)(?=[^\W\d])|(?<=[^\W\d_])(?=\d)"
)
"""Where the words of an identifier meet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word of an utterance and where it stands."""

    text: str
    low: str
    stem: str
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """What somebody said."""

    text: str

    @cached_property
    def words(self) -> Sequence[Word]:
        """All words, numbers and signs of amounts, in order."""
        return tuple(
            Word(
                text=match[0],
                low=match[0].lower().replace("\u2019", "'"),
                stem=stem(match[0]),
                start=match.start(),
                end=match.end(),
            )
            for match in _WORD.finditer(self.text)
        )

    @cached_property
    def clauses(self) -> Sequence[Sequence[Word]]:
        """The words between one punctuation mark and the next."""
        clauses: list[list[Word]] = [[]]
        before = 0
        for word in self.words:
            if re.search("[,.;:!?]", self.text[before : word.start]):
                clauses.append([])
            clauses[-1].append(word)
            before = word.end
        return clauses

    @cached_property
    def plain(self) -> str:
        """The words in small letters with one space between them."""
        return " ".join(word.low for word in self.words)


def bears_meaning(word: Word) -> bool:
    """Return whether a word says what something is about; many only hold others together."""
    return word.low not in SILENT and (len(word.low) > 1 or word.low.isdigit())


def content(text: str) -> list[str]:
    """Return the stems of the words that bear meaning."""
    return [word.stem for word in Utterance(text=text).words if bears_meaning(word)]


def identifier_words(name: str) -> list[str]:
    """Return the words of ``wms__countStock``, ``late-checkout`` or ``living room``."""
    return [part.lower() for part in _SEAMS.split(name) if part]


def stem(word: str) -> str:
    """Return what the forms of a word have in common."""
    low = word.lower().replace("\u2019", "'").removesuffix("'s")
    if low in ODD_FORMS:
        return stem(ODD_FORMS[low])
    if len(low) < 4:
        return low
    for ending, instead in (
        ("ies", "y"),
        ("sses", "ss"),
        ("xes", "x"),
        ("shes", "sh"),
        ("ches", "ch"),
    ):
        if low.endswith(ending) and len(low) > len(ending) + 1:
            low = low.removesuffix(ending) + instead
            break
    else:
        if low.endswith("s") and not low.endswith(("ss", "us", "is")):
            low = low[:-1]
    for ending in ("ing", "ed"):
        if low.endswith(ending) and re.search("[aeiouy]", low[: -len(ending)]) and len(low) > 4:
            low = low.removesuffix(ending)
            if len(low) > 3 and low[-1] == low[-2] and low[-1] not in "sl":
                low = low[:-1]
            break
    low = low.removesuffix("e") if len(low) > 3 else low
    return low[:-1] + "i" if low.endswith("y") and len(low) > 3 else low
