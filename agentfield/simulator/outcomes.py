"""What becomes of the effects that take their time."""

from __future__ import annotations

__all__ = ["Decided", "Failed", "Outcome", "Spoken", "Transcribed"]

from dataclasses import dataclass

from agentfield.simulator.script import Reply
from agentfield.simulator.senses import Sound


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcribed:
    """What the caller said is known."""

    item_id: str
    text: str | None
    """Empty where nobody said anything; None where it could not be found out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The model knows what to do."""

    response_id: str
    reply: Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """The next piece of speech is there."""

    response_id: str
    sound: Sound | None
    """None: there is no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The model cannot go on with a response."""

    response_id: str


Outcome = Transcribed | Decided | Spoken | Failed
