"""What the agent is to say, and what the model makes of it: pieces and responses."""

from __future__ import annotations

__all__ = ["HeardPart", "Piece", "Response"]

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agentfield.contract.turns import HeardTurn
from agentfield.sessions.provider import SpeechDone
from agentfield.sessions.words import expected_seconds

STALL_SECONDS = 30.0
"""A response that shows no sign of life for so long is given up."""
TRUNCATION_SECONDS = 0.5
"""How long the provider may take to say how much of a cut message was heard."""
SPARE_SECONDS = 15.0
FACTOR = 3.0
ADRIFT_SECONDS = 4.0
ADRIFT_FACTOR = 1.5
"""What was under way when a link was lost is given up after it should have been heard."""


@dataclass(slots=True, kw_only=True, eq=False)
class Piece:
    """Something the agent is to say, asked for by somebody."""

    command_id: str
    kind: str
    """``say``, ``respond``, ``answer`` or ``continue``; ``own``: the provider's or client's own."""
    text: str | None = None
    instructions: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    attempt: int = 0
    """Of the handler that asked; 0: no handler did."""
    waits: str = ""
    """The command whose caller waits for its end; empty: nobody does."""
    give_up_at: float | None = None
    """When whoever waits is told that nobody knows; set when it is sent."""
    after: str = ""
    """The response whose tools are answered, after which it goes on; empty: it does not go on."""
    asked_at: float = 0.0
    """When it was sent."""
    settles_at: float | None = None
    """The link was lost after it was sent: when it is given up if nothing is told of it."""
    under_way: bool = False
    """It was sent already, or goes on with what was; else it only waits for its time."""
    stopped: bool = False
    """It was stopped before it had begun."""
    after_turn: bool = False
    """The user committed a turn after it was asked for, or had begun."""
    last: bool = False
    """Nobody wants it to go on after its tools."""
    turn: HeardTurn | None = None
    """What was heard of it so far, before its tools."""
    found: Response | None = None
    """What was found of it, whose begin nobody heard."""

    def settle(self, now: float) -> None:
        """Give it the time that it would take from now on, if it is still under way."""
        lasts = ADRIFT_FACTOR * expected_seconds(self.text or "")
        self.settles_at = max(now, self.asked_at + lasts) + ADRIFT_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardPart:
    """What was heard of one message."""

    item_id: str
    text: str
    full_text: str
    milliseconds: int | None
    """None: it was not played."""


@dataclass(slots=True, kw_only=True, eq=False)
class Response:
    """One response of the model, from its begin until nothing of it is heard any more."""

    response_id: str
    piece: Piece
    alive_at: float
    cut: Mapping[str, int]
    """Milliseconds heard of messages, of this and other responses, where the provider said so."""
    said: dict[str, str] = field(default_factory=dict)
    """Words by message; empty until they are known."""
    calls: set[str] = field(default_factory=set)
    """Tool calls of it."""
    done: SpeechDone | None = None
    started_at: float | None = None
    """When its playback began."""
    played: str = ""
    """``stopped``, ``cleared`` or nothing yet."""
    ended_at: float = 0.0
    """When it was stopped or cleared, or done if it is silent."""
    cancelled: bool = False
    """We stopped it."""
    interrupted: bool = False
    """Its interruption was told of."""
    foreign: bool = False
    """Somebody else asked for it while only we may."""
    outcome: str = ""
    """What became of it; empty until it is over."""
    heard: list[HeardPart] = field(default_factory=list)
    """What was heard of it, once it is over."""
    missed: bool = False
    """The link was lost meanwhile: its end may have been told to nobody."""
    settles_at: float | None = None
    """Of one that was missed: when it is given up if it shows no sign of life."""

    @property
    def generating(self) -> bool:
        return self.done is None

    @property
    def audible(self) -> bool:
        """Whether the user hears it, or may still."""
        if self.played:
            return False
        return self.started_at is not None or (self.done is not None and self._is_to_be_played)

    @property
    def goes_on(self) -> bool:
        """Whether the model is to go on once its calls are answered."""
        overtaken = self.interrupted and self.piece.after_turn
        return not (overtaken or self.cancelled or self.piece.last)

    def is_over(self, now: float) -> bool:
        """Return whether all is known of it that will be."""
        if self.done is None:
            return False
        if self.played == "stopped":
            return True
        if self.played == "cleared":
            known = all(item_id in self.cut for item_id in self.said)
            return known or now >= self.ended_at + TRUNCATION_SECONDS
        return self.started_at is None and not self._is_to_be_played

    def settle(self, now: float) -> None:
        """Give it the time that it would take from now on, if it is still under way."""
        words = " ".join(self.said.values()) or self.piece.text or ""
        began_at = self.alive_at if self.started_at is None else self.started_at
        lasts = ADRIFT_FACTOR * expected_seconds(words)
        self.settles_at = max(now, began_at + lasts) + ADRIFT_SECONDS

    def end_playback(self, how: str, now: float) -> None:
        """Note that it was played to its end, or cleared: then it is generated, too."""
        self.played, self.ended_at = how, now
        if self.missed and self.done is None:
            self.settles_at = now + TRUNCATION_SECONDS

    def deadline(self) -> float:
        """Return when it is looked at again if nothing happens."""
        if self.settles_at is not None:
            return self.settles_at
        if self.done is not None and self.played == "cleared":
            return self.ended_at + TRUNCATION_SECONDS
        if self.done is None:
            return self.alive_at + STALL_SECONDS
        words = " ".join(self.said.values())
        return self.alive_at + FACTOR * expected_seconds(words) + SPARE_SECONDS

    @property
    def _is_to_be_played(self) -> bool:
        done = self.done
        return done is not None and done.has_audio and done.status not in {"cancelled", "failed"}
