"""What a conversation's items say about where it stands. Nothing else is remembered."""

from __future__ import annotations

__all__ = ["Exchange", "News", "exchanges", "news"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentfield.simulator.items import text_of
from agentfield.simulator.mind.words import Utterance

Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What nobody has answered yet."""

    outputs: Sequence[str]
    """What functions returned since the assistant last spoke."""
    utterances: Sequence[Utterance]
    """What the caller said since the assistant last spoke or called a function."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Something the caller said and what the assistant said to that; "" if nothing yet."""

    said: Utterance
    answer: str


def news(items: Sequence[Item]) -> News:
    """Return what has come since the model's own last output."""
    outputs: list[str] = []
    utterances: list[Utterance] = []
    acted = False
    for item in reversed(items):
        if _speaks(item, "assistant"):
            break
        if item.get("type") == "function_call":
            acted = True
        elif item.get("type") == "function_call_output":
            outputs.append(str(item.get("output", "")))
        elif _speaks(item, "user") and not acted and text_of(item):
            utterances.append(Utterance(text=text_of(item)))
    return News(outputs=outputs[::-1], utterances=utterances[::-1])


def exchanges(items: Sequence[Item]) -> list[Exchange]:
    """Return the talk since the last function call, the newest last."""
    talk: list[Exchange] = []
    for item in items:
        if item.get("type") == "function_call":
            talk = []
        elif _speaks(item, "user") and text_of(item):
            talk.append(Exchange(said=Utterance(text=text_of(item)), answer=""))
        elif _speaks(item, "assistant") and talk:
            answer = f"{talk[-1].answer} {text_of(item)}".strip()
            talk[-1] = Exchange(said=talk[-1].said, answer=answer)
    return talk


def _speaks(item: Item, role: str) -> bool:
    return item.get("type") == "message" and item.get("role") == role
