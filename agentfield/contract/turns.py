"""What was said in a session: one fold of its log, the same for everybody who shows it.

Order comes from how the provider links items, not from when events arrive; text is what was heard.
"""

from __future__ import annotations

__all__ = ["AGENT", "USER", "HeardTurn", "Turns"]

from collections.abc import Mapping
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
        self._order: list[str] = []
        """Items of the conversation in its order, whatever they are."""
        self._turns: dict[str, HeardTurn] = {}

    def add(self, type_: str, data: Mapping[str, Any], at: int) -> HeardTurn | None:
        """Take an event in; return the turn it changed, if any."""
        item_id = data.get("item_id")
        if not item_id:
            return None
        if type_ == "item.added":
            self._place(item_id, data.get("previous_item_id"))
            return None
        role = AGENT if type_.startswith("agent.") else USER
        before = self._turns.get(item_id) or HeardTurn(item_id=item_id, role=role, at=at)
        after = _changed(before, type_, data)
        if after is None:
            return None
        if item_id not in self._turns and item_id not in self._order:
            self._place(item_id, data.get("previous_item_id"))
        self._turns[item_id] = after
        return after

    def history(self) -> list[HeardTurn]:
        """Return the turns in the order of the conversation; noise is left out."""
        turns = (self._turns[item_id] for item_id in self._order if item_id in self._turns)
        return [turn for turn in turns if not is_noise(turn)]

    def unanswered(self) -> list[HeardTurn]:
        """Return the user's turns that nothing the agent said follows."""
        answered_up_to = -1
        for position, item_id in enumerate(self._order):
            turn = self._turns.get(item_id)
            if turn is not None and turn.role == AGENT and not is_noise(turn):
                answered_up_to = position
        rest = self._order[answered_up_to + 1 :]
        turns = (self._turns[item_id] for item_id in rest if item_id in self._turns)
        return [turn for turn in turns if turn.role == USER and not is_noise(turn)]

    def _place(self, item_id: str, previous_item_id: str | None) -> None:
        if item_id in self._order:
            if previous_item_id not in self._order:
                return
            self._order.remove(item_id)
        if previous_item_id in self._order:
            self._order.insert(self._order.index(previous_item_id) + 1, item_id)
        else:
            self._order.append(item_id)


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
