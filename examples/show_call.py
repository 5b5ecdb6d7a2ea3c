"""Prints what came of a call: who said what, which tools ran, where the time went, what ran."""

from __future__ import annotations

__all__ = ["show"]

import json
import os
import sys
from collections.abc import Iterator, Sequence

from agentfield.testing import Step, VoiceCall
from agentfield_sdk import SessionEvent

COLOURED = sys.stdout.isatty() and "NO_COLOR" not in os.environ
WHO = {"say": "handler", "respond": "model", "answer": "model", "continue": "model"}
AFTERWARDS = {
    "session.started": "connecting",
    "session.live": "nobody speaks",
    "speech.started": "the caller speaks and pauses",
    "speech.stopped": "the caller waits for an answer",
    "agent.started": "the agent speaks",
    "tool.called": "the caller waits for an answer",
    "agent.heard": "nobody speaks",
}
"""What goes on after an event of a type."""


async def show(call: VoiceCall) -> None:
    """Print a call that has ended."""
    tools = await call.tools()
    _title("What was said")
    for who, words in _said(call.events):
        print(f"  {_bold(f'{who:<18}')} {words}")
    _title("Which tools the model called")
    for tool in tools:
        print(f"  {_bold(tool.target)}  {tool.status}, {tool.duration_ms} ms")
        print(f"     asked     {json.dumps(tool.arguments)}")
        print(f"     answered  {json.dumps(tool.output)}")
    _title("Where the time went")
    spent = _spent(call.events)
    for what, seconds in spent.items():
        bar = "█" * round(40 * seconds / max(spent.values()))
        print(f"  {what:<32} {seconds:6.2f} s  {_dim(bar)}")
    _title("What ran")
    for line in _drawn(await call.workflow()):
        print(f"  {line}")


def _said(events: Sequence[SessionEvent]) -> Iterator[tuple[str, str]]:
    """Yield who said what, in the order in which it was known."""
    asked = {event.data["command_id"]: event for event in events if event.type == "agent.asked"}
    for event in events:
        if event.type == "turn.transcribed":
            yield "caller", event.data["text"]
        elif event.type == "agent.heard":
            kind = asked[event.data["command_id"]].data["kind"]
            yield f"agent ({WHO[kind]})", event.data["text"]


def _spent(events: Sequence[SessionEvent]) -> dict[str, float]:
    """Return seconds by what went on; together they are the session's."""
    spent: dict[str, float] = {}
    doing, since = "", events[-1].at
    for event in events:
        if event.type in AFTERWARDS or event.type == "session.ended":
            if doing and event.at and since:
                passed = (event.at - since).total_seconds()
                spent[doing] = spent.get(doing, 0.0) + passed
            doing, since = AFTERWARDS.get(event.type, ""), event.at
    return spent


def _drawn(step: Step, first: str = "", below: str = "") -> Iterator[str]:
    took = "" if step.duration_ms is None else f"{step.duration_ms} ms"
    yield f"{_dim(first)}{_bold(step.target)}  {step.status}  {took}"
    for number, child in enumerate(step.children, 1):
        last = number == len(step.children)
        yield from _drawn(
            child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  ")
        )


def _title(words: str) -> None:
    print(f"\n{_bold(words)}\n")


def _bold(words: str) -> str:
    return f"\033[1m{words}\033[0m" if COLOURED else words


def _dim(words: str) -> str:
    return f"\033[2m{words}\033[0m" if COLOURED else words
