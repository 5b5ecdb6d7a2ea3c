"""How the mind asks for what it lacks, and says what it can do."""

from __future__ import annotations

__all__ = ["abilities", "question"]

import re
from collections.abc import Sequence

from agentfield.simulator.mind.schemas import Parameter
from agentfield.simulator.mind.words import identifier_words
from agentfield.simulator.senses import Tool

_ASKS = re.compile(
    r"(?:(?:at|for|in|on|to|from|of|by|with) )?(?:how|what|which|who|whom|whose|when|where|why)\b|"
    r"(?:is|are|do|does|did|can|should|will)\b",
    re.IGNORECASE,
)
_CHOICES = 6
_ABILITIES = 4


def question(parameter: Parameter) -> str:
    """Return the question for one parameter: by its description, its title or its name."""
    about = re.split(r"(?<=[.?!])\s", parameter.description, maxsplit=1)[0].rstrip(" .")
    if not about:
        about = str(parameter.schema.get("title") or " ".join(parameter.words)).lower()
        about = f"the {about.strip()}"
    if about.endswith("?"):
        asked = about
    elif about.lower().startswith("whether "):
        asked = f"Please tell me {_small(about)}, yes or no."
    elif _ASKS.match(about):
        asked = f"{about}?"
    else:
        asked = f"Please tell me {_small(about)}."
    names = [" ".join(identifier_words(name)) for _, name in parameter.choices]
    if 1 < len(names) <= _CHOICES:
        asked = f"{asked[:-1]}: {either(names)}{asked[-1]}"
    return asked[0].upper() + asked[1:]


def abilities(tools: Sequence[Tool]) -> str:
    """Return a sentence about what the tools do."""
    can = [_ability(tool) for tool in tools[:_ABILITIES]]
    if not can:
        return "I have no tools here, so I can only listen."
    more = " That is not all." if len(tools) > _ABILITIES else ""
    return f"I can do this: {'; '.join(can)}.{more}"


def either(names: Sequence[str]) -> str:
    """Return names as they are spoken: "a, b or c"."""
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _ability(tool: Tool) -> str:
    first = re.split(r"(?<=[.?!])\s|\n", tool.description.strip(), maxsplit=1)[0].rstrip(" .!")
    return _small(first) if first else " ".join(identifier_words(tool.name))


def _small(text: str) -> str:
    """Return a text as it stands within a sentence; names and abbreviations stay as they are."""
    return text[0].lower() + text[1:] if len(text) > 1 and not text[1].isupper() else text
