"""What a model provider is to us: what it tells, what it is told, and what it can do.

Adapters in ``providers/`` turn their wire into these values and back. Nothing here names a provider.
"""

from __future__ import annotations

__all__ = [
    "Adapter",
    "AgentDelta",
    "AgentSaid",
    "CallLink",
    "CancelSpeech",
    "Capabilities",
    "Command",
    "Configuration",
    "Configure",
    "Configured",
    "CreateSpeech",
    "DeleteItem",
    "Failed",
    "Heard",
    "HeardDelta",
    "HeardFailed",
    "ItemAdded",
    "ItemDeleted",
    "ItemFound",
    "ItemMissing",
    "LinkClosed",
    "OfferRequest",
    "PlaybackCleared",
    "PlaybackStarted",
    "PlaybackStopped",
    "Probe",
    "Provider",
    "ProviderEvent",
    "ProviderRefused",
    "RetrieveItem",
    "SendToolOutput",
    "SpeechBegun",
    "SpeechDone",
    "SpeechStarted",
    "SpeechStopped",
    "Taken",
    "ToolCalled",
    "ToolSpec",
    "Truncated",
    "TurnCommitted",
]

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from agentfield.sessions.provider_events import (
    AgentDelta,
    AgentSaid,
    Configured,
    Failed,
    Heard,
    HeardDelta,
    HeardFailed,
    ItemAdded,
    ItemDeleted,
    ItemFound,
    ItemMissing,
    LinkClosed,
    PlaybackCleared,
    PlaybackStarted,
    PlaybackStopped,
    ProviderEvent,
    SpeechBegun,
    SpeechDone,
    SpeechStarted,
    SpeechStopped,
    ToolCalled,
    Truncated,
    TurnCommitted,
)
from agentfield.v1 import errors

# --- what an adapter can do ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a provider can do over one transport; data of its profile."""

    speech: str = "requested"
    """``verbatim``: says exactly what it is given; ``requested``: is asked to."""
    uninterruptible_speech: bool = False
    """Speech can be kept from being cut by the user."""
    max_duration_s: float = 3600.0
    """The provider's own cap of one call."""
    default_model: str = ""
    default_voice: str = ""
    default_transcription_model: str = ""


# --- configuration ---


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """One tool as the model gets it."""

    name: str
    """The wire name."""
    description: str
    input_schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What is to be in force at the provider."""

    model: str
    voice: str
    instructions: str
    modalities: tuple[str, ...]
    """With ``audio`` the model speaks; else text alone."""
    tools: tuple[ToolSpec, ...] = ()
    turn_detection: Mapping[str, Any] | None = None
    """``type`` and whatever of its options is to be sent, by the contract's names."""
    transcription: Mapping[str, str] | None = None
    """``model`` and, if given, ``language``; None: off."""


# --- what the provider is told ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Configure:
    """Put this into force."""

    configuration: Configuration


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateSpeech:
    """Begin a response in the conversation."""

    command_id: str
    say: str | None = None
    """Have exactly this spoken, without tools. None: the model answers by itself."""
    instructions: str | None = None
    """For this response, in place of the session's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelSpeech:
    """Stop generating a response and drop what has not been played."""

    response_id: str | None
    """None: nothing is being generated, only drop what has not been played."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendToolOutput:
    """Give the model the output of a call."""

    item_id: str
    """The id the item is to have."""
    call_id: str
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteItem:
    """Take an item out of the conversation."""

    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Put an item of ours at the end: its ItemAdded tells which item was the last.

    ItemMissing is the answer if it is refused.
    """

    item_id: str
    """The id the item is to have."""
    text: str
    """Its words, by which one that was left behind is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrieveItem:
    """Tell an item as it is now: ItemFound or ItemMissing."""

    item_id: str


Command = (
    Configure | CreateSpeech | CancelSpeech | SendToolOutput | DeleteItem | Probe | RetrieveItem
)


# --- the port ---


class ProviderRefused(errors.ProviderFailed):
    """The provider answered no. Its own words are for the session's log alone."""

    body: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRequest:
    """A client's SDP offer for the provider."""

    sdp: bytes
    """Byte for byte what the client sent."""
    configuration: Configuration
    safety_identifier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The provider has taken an offer."""

    answer_sdp: bytes
    """Byte for byte what the provider sent."""


class CallLink(Protocol):
    """The control plane's ear and mouth in a running call."""

    def events(self) -> AsyncIterator[ProviderEvent]:
        """Yield what the provider tells; LinkClosed is the last."""

    async def send(self, command: Command) -> None:
        """Tell the provider something; silently nothing once the link is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider over one transport."""

    name: str
    transport: str
    capabilities: Capabilities
    has_key: bool
    """The server has a key for it."""
    key_variable: str
    """The environment variable that would hold it."""
    adapter: Adapter = field(repr=False)


class Adapter(Protocol):
    """One protocol family, at one provider's address with one key."""

    async def offer(self, request: OfferRequest, taken: Callable[[str], Awaitable[None]]) -> Taken:
        """Take an offer to the provider and return its answer.

        ``taken`` is awaited with the provider's id of the call as soon as the headers of its answer
        are there, before the body is read. Raises ProviderFailed.
        """

    def attach(
        self,
        external_id: str,
        configuration: Configuration,
        *,
        age: float = 0.0,
        patience: float | None = None,
    ) -> AbstractAsyncContextManager[CallLink]:
        """Attach to a call that was taken; ``configuration`` is sent at once and compared with.

        An id that is not known is tried again while the call is younger than the profile's attach
        time; ``age`` is how old it is now, in seconds. What else may pass is tried again for
        ``patience`` seconds, without it for the attach time. Raises ProviderFailed; its metadata
        has ``gone`` = ``true`` if there is no such call.
        """

    async def hang_up(self, external_id: str) -> bool:
        """Ask for the end of a call; return True if confirmed, False if there is no such call.

        Raises ProviderFailed when neither is known; then it is asked again.
        """
