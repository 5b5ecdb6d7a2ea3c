"""What a model provider tells, in our words. Its events may come in any order it documents."""

from __future__ import annotations

__all__ = [
    "AgentDelta",
    "AgentSaid",
    "Configured",
    "Failed",
    "Heard",
    "HeardDelta",
    "HeardFailed",
    "ItemAdded",
    "ItemDeleted",
    "ItemFound",
    "ItemMissing",
    "LinkClosed",
    "PlaybackCleared",
    "PlaybackStarted",
    "PlaybackStopped",
    "ProviderEvent",
    "SpeechBegun",
    "SpeechDone",
    "SpeechStarted",
    "SpeechStopped",
    "ToolCalled",
    "Truncated",
    "TurnCommitted",
]

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """The provider says what is in force, whoever changed it."""

    matches: bool
    """Nothing that we set differs from the last configuration we sent."""
    differs: tuple[str, ...] = ()
    """Names of what differs, for instance ``tools``; never their content."""
    pending: bool = False
    """An update of ours is under way still, and will put that right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted:
    """The user began to speak."""

    item_id: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStopped:
    """The user stopped speaking."""

    item_id: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnCommitted:
    """The user's turn is in the conversation."""

    item_id: str
    previous_item_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardDelta:
    """A piece of the user's transcript."""

    item_id: str
    delta: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The transcript of a user's turn."""

    item_id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardFailed:
    """A user's turn could not be transcribed."""

    item_id: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemAdded:
    """An item was put into the conversation, by whomever."""

    item_id: str
    previous_item_id: str | None
    type: str
    """``message``, ``function_call`` or ``function_call_output``, or what else a provider has."""
    role: str = ""
    text: str | None = None
    """Of a message that is typed: its text."""
    call_id: str = ""
    """Of a function call or its output."""
    whole: bool = False
    """It came complete: somebody put it there. What the model makes begins empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDeleted:
    """An item was taken out of the conversation, by whomever."""

    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFound:
    """An item as it is now: the answer to RetrieveItem."""

    item_id: str
    type: str
    """As of ItemAdded."""
    role: str = ""
    status: str = ""
    """``in_progress``, ``completed`` or ``incomplete``, where the provider says so."""
    spoken: bool = False
    """Of a message: it is audio."""
    text: str = ""
    """Of a message: its words, as far as the provider knows them."""
    call_id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemMissing:
    """There is no item that was looked for, or no place for the one that was to look."""

    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechBegun:
    """The model began a response."""

    response_id: str
    command_id: str = ""
    """The id that we gave with the command; empty: we did not ask for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDelta:
    """A piece of what the model says."""

    response_id: str
    item_id: str
    delta: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSaid:
    """All the words of one message of the model."""

    response_id: str
    item_id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCalled:
    """The model calls a tool; its arguments are complete."""

    response_id: str
    item_id: str
    call_id: str
    name: str
    arguments: str
    """As the model wrote them; they need not be JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackStarted:
    """The user begins to hear a response."""

    response_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackStopped:
    """A response was played to its end."""

    response_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackCleared:
    """What was left of a response is not played."""

    response_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncated:
    """A message of the model was cut to what was heard."""

    item_id: str
    audio_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechDone:
    """The model has finished a response, or failed to."""

    response_id: str
    command_id: str = ""
    status: str = "completed"
    """``completed``, ``cancelled``, ``incomplete`` or ``failed``."""
    reason: str = ""
    """Of the status, as the provider has it, for instance ``turn_detected``."""
    error_code: str = ""
    error_message: str = ""
    usage: Mapping[str, Any] | None = None
    has_audio: bool = False
    """Some of it is spoken: its playback ends by an event of its own."""
    item_ids: tuple[str, ...] = ()
    """Its messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The provider reports an error; the call goes on unless it is fatal."""

    code: str
    message: str
    command_id: str = ""
    """Of the command it is about, if it says so."""
    busy: bool = False
    """It refused to begin a response because another one is active."""
    fatal: bool = False
    expired: bool = False
    """The call has lasted for as long as the provider allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkClosed:
    """The link is gone; always the last event of a link."""

    by_provider: bool
    """It was closed in good order: the call is over. Else it broke, and the call may go on."""
    detail: str = ""


ProviderEvent = (
    Configured
    | SpeechStarted
    | SpeechStopped
    | TurnCommitted
    | HeardDelta
    | Heard
    | HeardFailed
    | ItemAdded
    | ItemDeleted
    | ItemFound
    | ItemMissing
    | SpeechBegun
    | AgentDelta
    | AgentSaid
    | ToolCalled
    | PlaybackStarted
    | PlaybackStopped
    | PlaybackCleared
    | Truncated
    | SpeechDone
    | Failed
    | LinkClosed
)
