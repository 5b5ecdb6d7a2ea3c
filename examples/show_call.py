"""Prints what came of a call: which tools the model called, where the time went, what ran."""

from __future__ import annotations

__all__ = ["Called", "show"]

import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agentfield.testing.story import Step, ToolCall, tool_calls, tree
from agentfield_sdk import Session, SessionEvent, Workflow

COLOURED = sys.stdout.isatty() and "NO_COLOR" not in os.environ
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """A call that has ended."""

    session: Session
    events: Sequence[SessionEvent]
    tools: Sequence[ToolCall]
    workflow: Step

    @classmethod
    def of(cls, session: Session, events: Sequence[SessionEvent], workflow: Workflow) -> Called:
        """Return it as it was read."""
        return cls(
            session=session,
            events=events,
            tools=tool_calls(events),
            workflow=tree(workflow.executions),
        )


def show(call: Called) -> None:
    """Print a call that has ended."""
    _title("Which tools the model called")
    for tool in call.tools:
        print(f"  {_bold(tool.target)}  {tool.status}, {tool.duration_ms} ms")
        print(f"     asked     {json.dumps(tool.arguments)}")
        print(f"     answered  {json.dumps(tool.output)}")
    _title("Where the time went")
    spent = _spent(call.events)
    for what, seconds in spent.items():
        bar = "█" * round(30 * seconds / max(spent.values()))
        print(f"  {what:<32} {seconds:6.2f} s  {_dim(bar)}")
    _title("What ran")
    for line in _drawn(call.workflow):
        print(f"  {line}")


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
