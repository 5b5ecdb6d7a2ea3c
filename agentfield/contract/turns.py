"""What was said in a session: one fold of its log, the same for everybody who shows it.

Order comes from how the provider links items, not from when events arrive; text is what was heard.
"""

from __future__ import annotations

__all__ = ["AGENT", "USER", "HeardTurn", "Turns", "is_noise"]

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

USER = "user"
AGENT = "agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardTurn:
    """Something one side said."""

    item_id: str
    role: str
    """``user`` or ``agent``."""
    text: str | None = None
    """None: not known, or not yet. Of the agent: what was heard."""
    full_text: str | None = None
    """Of the agent: all that it was going to say."""
    finished: bool = False
    """Nothing more is waited for: transcribed, failed or late; or heard."""
    interrupted: bool = False
    estimated: bool = False
    channel: str = "audio"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    at: int = 0
    """Microseconds since the epoch, of the event that told of it first."""


class Turns:
    """The turns of one session, fed with its events in the order of the log."""

    def __init__(self) -> None:
        self._previous: dict[str, str | None] = {}
        """What each item follows, whatever it is; in the order in which they were told of."""
        self._turns: dict[str, HeardTurn] = {}

    def add(self, type_: str, data: Mapping[str, Any], at: int) -> HeardTurn | None:
        """Take an event in; return the turn it changed, if any."""
        item_id = data.get("item_id")
        if not item_id:
            return None
        if type_ == "item.added":
            self._link(item_id, data.get("previous_item_id"))
            return None
        role = AGENT if type_.startswith("agent.") else USER
        before = self._turns.get(item_id) or HeardTurn(item_id=item_id, role=role, at=at)
        after = _changed(before, type_, data)
        if after is None:
            return None
        self._link(item_id, data.get("previous_item_id"))
        self._turns[item_id] = after
        return after

    def knows(self, item_id: str) -> bool:
        """Return whether an item's place in the conversation was told."""
        return item_id in self._previous

    def history(self) -> list[HeardTurn]:
        """Return the turns in the order of the conversation; noise is left out."""
        return [turn for turn in self._in_order() if not is_noise(turn)]

    def unanswered(self) -> list[HeardTurn]:
        """Return the user's turns that nothing the agent said follows."""
        turns = self.history()
        answers = [position for position, turn in enumerate(turns) if turn.role == AGENT]
        return turns[answers[-1] + 1 :] if answers else turns

    def _link(self, item_id: str, previous_item_id: str | None) -> None:
        if self._previous.get(item_id) is None:
            self._previous[item_id] = previous_item_id

    def _in_order(self) -> Iterator[HeardTurn]:
        """Yield the turns as they are linked; what follows nothing known, as it was told of."""
        following: dict[str | None, list[str]] = {}
        for item_id, previous in self._previous.items():
            known = previous if previous in self._previous else None
            following.setdefault(known, []).append(item_id)
        # Of two that follow the same one, the later was put between it and the earlier.
        todo = [*reversed(self._previous), *reversed(following.get(None, []))]
        seen: set[str] = set()
        while todo:
            item_id = todo.pop()
            if item_id in seen:
                continue
            seen.add(item_id)
            todo += following.get(item_id, [])
            if item_id in self._turns:
                yield self._turns[item_id]


def is_noise(turn: HeardTurn) -> bool:
    """Return whether a turn turned out to hold no words."""
    return turn.finished and turn.text == ""


def _changed(turn: HeardTurn, type_: str, data: Mapping[str, Any]) -> HeardTurn | None:
    match type_:
        case "turn.committed":
            return replace(turn, channel=data.get("channel", "audio"))
        case "turn.transcribed":
            return replace(turn, text=data["text"], finished=True)
        case "turn.failed" | "turn.timed_out":
            return replace(turn, finished=True)
        case "agent.said":
            return replace(turn, full_text=data["text"])
        case "agent.heard":
            return replace(
                turn,
                text=data["text"],
                full_text=data.get("full_text"),
                finished=True,
                interrupted=bool(data.get("interrupted")),
                estimated=bool(data.get("estimated")),
                metadata=data.get("metadata") or {},
            )
        case _:
            return None
