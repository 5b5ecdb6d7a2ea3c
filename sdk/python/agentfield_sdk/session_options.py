"""What a session can be declared with."""

from __future__ import annotations

__all__ = ["SessionOptions", "ToolOption"]

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict


class ToolOption(TypedDict, total=False):
    """Options of one tool."""

    timeout: float
    """In seconds, in place of the session's tool_timeout."""
    cancel_on_interrupt: bool
    """Whether the user's speech over the agent cancels it."""


class SessionOptions(TypedDict, total=False):
    """What a session is declared with. None is the same as leaving an option out.

    The limits are in seconds; what is not given has the server's default.
    """

    provider: str | None
    """``openai``, ... Required: it is never inferred."""
    transport: str | None
    """``webrtc``, ... Required: it is never inferred."""
    model: str | None
    modalities: Sequence[str] | None
    """``audio`` (the model speaks, its words come as text too), ``text``; both if not given."""
    voice: str | None
    instructions: str | None
    """What the model is told."""
    tools: Sequence[str] | None
    """What the model and the client may call: ``node.function``, or ``function`` of this node."""
    tags: Sequence[str] | None
    metadata: Mapping[str, Any] | None
    """Facts for people and programs: at most 16 KiB of JSON."""
    turn_detection: Mapping[str, Any] | None
    """``type`` (``server_vad``, ``semantic_vad``) and that type's options by the provider's names.
    """
    transcription: bool | Mapping[str, str] | None
    """How the user's speech is written down: True, the default; False: not at all; or ``model`` and
    ``language``."""
    data_channel: str | None
    """``monitor``, the default, or ``refuse``: offers with a data channel."""
    connect_timeout: float | None
    idle_timeout: float | None
    max_duration: float | None
    tool_timeout: float | None
    transcript_timeout: float | None
    handler_grace: float | None
    """How long the handler may go on after the session's end."""
    max_sessions: int | None
    """How many sessions of this target there may be at once."""
    tool_options: Mapping[str, ToolOption] | None
    """Options of single tools, by the names that ``tools`` lists."""
