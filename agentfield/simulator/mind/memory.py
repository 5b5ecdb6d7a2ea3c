"""What a conversation's items say about where it stands. Nothing else is remembered."""

from __future__ import annotations

__all__ = ["Exchange", "exchanges", "results"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agentfield.simulator.items import text_of
from agentfield.simulator.mind.words import Utterance

Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Something the caller said and what the assistant said to that."""

    said: Utterance
    whole: Utterance
    """The same with what came before it without an answer: people stop in the middle."""
    answer: str
    """Empty if there is none yet."""


def results(items: Sequence[Item]) -> list[str]:
    """Return what functions have returned since the assistant last spoke."""
    outputs: list[str] = []
    for item in reversed(items):
        if _speaks(item, "assistant") and text_of(item):
            break
        if item.get("type") == "function_call_output":
            outputs.append(str(item.get("output", "")))
    return outputs[::-1]


def exchanges(items: Sequence[Item]) -> list[Exchange]:
    """Return the talk since the last function call; only the last may have no answer yet."""
    talk: list[Exchange] = []
    for item in items:
        if item.get("type") == "function_call":
            talk = []
        elif _speaks(item, "user") and (text := text_of(item)):
            before = talk.pop().whole.text if talk and not talk[-1].answer else ""
            whole = Utterance(text=f"{before} {text}".strip())
            talk.append(Exchange(said=Utterance(text=text), whole=whole, answer=""))
        elif _speaks(item, "assistant") and talk:
            talk[-1] = replace(talk[-1], answer=f"{talk[-1].answer} {text_of(item)}".strip())
    return talk


def _speaks(item: Item, role: str) -> bool:
    return item.get("type") == "message" and item.get("role") == role
