"""What a provider needs to hear, think and speak.

These are ports: whatever recognises, decides and speaks stands behind them. In place of each that
is not given the simulator follows its script.
"""

from __future__ import annotations

__all__ = [
    "Abilities",
    "Ears",
    "Listener",
    "Mind",
    "Mouth",
    "SenseFailed",
    "Senses",
    "Sound",
    "Speech",
    "Thought",
    "Tool",
]

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agentfield.simulator.script import Reply


class SenseFailed(Exception):
    """Why one of them does not work, in a text that is logged: it holds nothing that was said.

    Of any other exception only its type is.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """One piece of speech, normally a sentence or a clause."""

    text: str
    """The words it is, punctuation included; the texts of all pieces joined are the whole text."""
    pcm: bytes
    """16-bit little-endian samples of one channel at 24 kHz."""
    packets: Sequence[bytes]
    """The same as Opus packets of 20 ms of one channel at 48 kHz."""
    ms: int
    """How long it lasts."""


class Listener(Protocol):
    """Follows the audio of one call, to tell speech from noise."""

    def probability(self, pcm: bytes) -> float:
        """Return how likely the newest piece of audio is speech, from 0 to 1.

        It may be of any length: 16-bit little-endian samples of one channel at 16 kHz. It is held
        against the threshold of the session's turn detection. Must return at once.
        """


class Ears(Protocol):
    """Hears callers."""

    def listener(self) -> Listener:
        """Return what follows the audio of one more call."""

    async def transcribe(self, pcm: bytes, *, language: str | None = None) -> str:
        """Return what is said in 16-bit samples of one channel at 16 kHz; "" if nothing is.

        ``language`` is a code as in ISO 639-1, where the session names one.
        """


class Mouth(Protocol):
    """Speaks to callers."""

    def speak(self, text: str, *, voice: str | None = None) -> AsyncIterator[Sound]:
        """Yield the speech piece by piece, the first as early as possible.

        Closing the iterator stops the work. ``voice`` is what the session asks for; a mouth that
        does not know it takes its own.
        """


class Speech(Protocol):
    """Both of them, as something that is loaded once yields them."""

    @property
    def ears(self) -> Ears:
        """What hears."""

    @property
    def mouth(self) -> Mouth:
        """What speaks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function that the model may call, as the session describes it."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    """A JSON schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thought:
    """All that a model knows when it is asked for a response."""

    instructions: str
    tools: Sequence[Tool]
    """Those this response may call; the tool choice is already applied."""
    must_call: str | None
    """The name of the one that must be called, "" if any must, None if none needs to be."""
    items: Sequence[Mapping[str, Any]]
    """The conversation so far, items as in the protocol, with what the caller was heard to say."""


class Mind(Protocol):
    """Decides what is said and which functions are called."""

    async def reply(self, thought: Thought) -> Reply:
        """Return what the model does; of the reply only ``says`` and ``calls`` count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What is done for real; the rest follows the script."""

    hears: bool = False
    thinks: bool = False
    speaks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Senses:
    """What is given of them."""

    ears: Ears | None = None
    mouth: Mouth | None = None
    mind: Mind | None = None

    @property
    def abilities(self) -> Abilities:
        """What can be done with them."""
        return Abilities(
            hears=self.ears is not None,
            thinks=self.mind is not None,
            speaks=self.mouth is not None,
        )
