"""What a conversation asks its surroundings to do."""

from __future__ import annotations

__all__ = [
    "Effect",
    "Emit",
    "Expire",
    "Expires",
    "Forget",
    "Generates",
    "Hear",
    "Hush",
    "Json",
    "Later",
    "NewId",
    "Outbox",
    "Play",
    "PlaybackEnds",
    "Speak",
    "Stop",
    "Think",
    "Timer",
    "Transcribe",
    "TranscriptComes",
]

import random
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from agentfield.simulator.senses import Thought

Json = dict[str, Any]
NewId = Callable[[str], str]
"""Makes an id that begins with the given prefix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generates:
    """The next piece of a response is ready."""

    response_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackEnds:
    """The audio of an item has been played to its end."""

    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptComes:
    """The caller's utterance has been transcribed."""

    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expires:
    """The session has lasted as long as it may."""


Timer = Generates | PlaybackEnds | TranscriptComes | Expires


@dataclass(frozen=True, slots=True, kw_only=True)
class Emit:
    """Send an event to everyone who is connected."""

    event: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """Come back with this timer after a while."""

    after_ms: int
    timer: Timer


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """Make the outgoing audio audible."""

    packets: Sequence[bytes] | None = None
    """What is played after all that is still to be played; None: a tone until it is hushed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hush:
    """Make the outgoing audio silent, and drop what is still to be played."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expire:
    """End the call: its time is up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hear:
    """Find out whether somebody speaks in this audio, which came in an event."""

    samples: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """Forget the caller's audio that has not been committed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcribe:
    """Find out what is said in the caller's audio that has just been committed."""

    item_id: str
    language: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Think:
    """Find out what the model does in a response."""

    response_id: str
    thought: Thought


@dataclass(frozen=True, slots=True, kw_only=True)
class Speak:
    """Make speech of a response's words, piece by piece."""

    response_id: str
    text: str
    voice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Think and speak no longer for a response; whatever still comes of it is dropped."""

    response_id: str


Effect = Emit | Later | Play | Hush | Hear | Forget | Transcribe | Think | Speak | Stop | Expire


class Outbox:
    """Collects the effects of one step."""

    def __init__(self, new_id: NewId) -> None:
        self.new_id = new_id
        self.now = 0
        """The time of the step, in milliseconds of any clock."""
        self._effects: list[Effect] = []

    def emit(self, kind: str, /, **fields: Any) -> None:
        """Add an event; deltas get the padding that hides their length on the real wire."""
        event: Json = {"type": kind, "event_id": self.new_id("event"), **fields}
        if kind.endswith(".delta") and kind != "response.output_audio.delta":
            event["obfuscation"] = _padding(16 - len(str(fields["delta"])) % 16)
        self._effects.append(Emit(event=event))

    def do(self, effect: Effect) -> None:
        """Add any effect."""
        self._effects.append(effect)

    def take(self) -> list[Effect]:
        """Return what has been collected and begin anew."""
        effects, self._effects = self._effects, []
        return effects


def _padding(length: int) -> str:
    return "".join(random.choices(string.ascii_letters + string.digits, k=length))  # noqa: S311 - hides nothing here
