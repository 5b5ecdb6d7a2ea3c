"""What is known of sessions, as plain values."""

from __future__ import annotations

__all__ = [
    "EffectiveConfiguration",
    "ProviderCall",
    "Session",
    "SessionDeclaration",
    "SessionEvent",
    "SessionLimits",
    "SessionTurn",
    "Speech",
    "StartToken",
    "StartedSession",
    "ToolOptions",
    "Transcription",
    "TurnDetection",
]

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pydantic


@pydantic.dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SessionTurn:
    """Something one side said. As an argument of a call it is a JSON object without ``audio``."""

    text: str
    """What was said: of the agent, what was heard. Empty if that is not known, or not yet."""
    transcript: str | None = None
    """The text, or None if it could not be written down in time."""
    audio: bytes | None = pydantic.Field(default=None, exclude=True, repr=False)
    """None where client and provider exchange media directly."""
    audio_format: str | None = None
    channel: str = "audio"
    """``audio`` or ``text``."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """What the handler gave along with what it said."""
    role: str = "user"
    """``user`` or ``agent``."""
    item_id: str = ""
    """The provider's id of it in the conversation."""
    full_text: str | None = None
    """Of the agent: all that it was going to say, where that is known."""
    interrupted: bool = False
    """Of the agent: the user spoke over it."""
    estimated: bool = False
    """Of the agent: the text is an estimate by time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """What became of something the agent was to say."""

    text: str
    """What was asked for."""
    spoken_text: str
    """What the provider says was spoken."""
    verbatim: bool
    """Whether the two are the same, but for case, spaces and punctuation."""
    heard_text: str
    heard_ms: int
    """How long it was played, where that is known."""
    outcome: str
    """``completed``, ``interrupted``, ``cancelled``, ``failed`` or ``unknown``."""
    estimated: bool
    """heard_text is an estimate by time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEvent:
    """One entry of a session's log; ``docs/events.md`` lists the types."""

    sequence: int
    """Its number in the log, from 1. 0: it is not in the log."""
    type: str
    at: datetime | None
    data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnDetection:
    """How the end of the user's speech is found. None: the provider's default."""

    type: str
    threshold: float | None
    prefix_padding_ms: int | None
    silence_duration_ms: int | None
    eagerness: str
    create_response: bool | None
    interrupt_response: bool | None
    idle_timeout_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcription:
    """How the user's speech is written down."""

    off: bool
    model: str
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """What a session may use, in seconds. None: the server's default."""

    connect_timeout: float | None
    idle_timeout: float | None
    max_duration: float | None
    tool_timeout: float | None
    transcript_timeout: float | None
    handler_grace: float | None
    max_sessions: int
    """0: the server's limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOptions:
    """Options of one tool."""

    tool: str
    timeout: float | None
    cancel_on_interrupt: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDeclaration:
    """What an agent declares with ``@app.session(...)``. What is empty has a default."""

    name: str
    provider: str
    transport: str
    model: str
    modalities: tuple[str, ...]
    voice: str
    instructions: str
    tools: tuple[str, ...]
    tags: tuple[str, ...]
    metadata: Any
    turn_detection: TurnDetection | None
    transcription: Transcription | None
    data_channel: str
    limits: SessionLimits | None
    tool_options: tuple[ToolOptions, ...]
    has_handler: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveConfiguration:
    """What is in force at the provider, which may differ from the declaration."""

    instructions: str
    turn_detection: TurnDetection | None
    transcription: Transcription | None
    tool_targets: dict[str, str]
    """What the model may call, by the name it knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCall:
    """A contract with a model provider."""

    provider_call_id: str
    generation: int
    provider: str
    external_id: str
    state: str
    """``creating``, ``open``, ``ending``, ``ended`` or ``abandoned``."""
    created_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One conversation, as it was when it was read."""

    session_id: str
    target: str
    state: str
    """``pending``, ``connecting``, ``live`` or ``ended``."""
    end_reason: str
    """For instance ``client_hangup``. Empty: it has not ended."""
    end_detail: str
    declaration: SessionDeclaration | None
    effective: EffectiveConfiguration | None
    metadata: Any
    """What whoever started it said of it."""
    run_id: str
    root_execution_id: str
    handler: str
    """``running``, ``returned`` or ``failed``. Empty: it has none."""
    attempt: int
    last_sequence: int
    usage: Any
    provider_calls: tuple[ProviderCall, ...]
    """Empty in lists."""
    turns: tuple[SessionTurn, ...]
    """In the order of the conversation. Empty in lists."""
    created_by: str
    created_at: datetime | None
    connect_by: datetime | None
    live_at: datetime | None
    ended_at: datetime | None
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedSession:
    """A session that was started, and what a client needs to join it."""

    session_id: str
    session_token: str = field(repr=False)
    """Stands in place of a key for this session alone. Shown once."""
    session_token_expires_at: datetime | None
    target: str
    provider: str
    transport: str
    model: str
    voice: str
    modalities: tuple[str, ...]
    tags: tuple[str, ...]
    tool_targets: dict[str, str]
    """What the model may call, by the name it knows."""
    turn_detection: TurnDetection | None
    offer_url: str
    tool_url: str
    """``{tool}`` stands for the tool."""
    events_url: str
    state: str
    run_id: str
    root_execution_id: str
    created_at: datetime | None
    connect_by: datetime | None
    """When it ends unless it is live by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartToken:
    """What lets a page or an app start sessions of one target without a key."""

    token: str = field(repr=False)
    """Stands in place of a key for such starts alone. Shown once."""
    token_id: str
    """Names it in logs and events."""
    target: str
    uses: int
    """How many sessions it may start."""
    expires_at: datetime | None
