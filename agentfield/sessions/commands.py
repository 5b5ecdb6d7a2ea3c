"""What a session can be told to do, as values.

Where the session runs a command is done; anywhere else it is a row for the one who runs it.
"""

from __future__ import annotations

__all__ = [
    "Command",
    "EndSession",
    "HandlerOutcome",
    "Interrupt",
    "InvokeTool",
    "PlaceHandler",
    "ReportHandler",
    "Respond",
    "Result",
    "Say",
    "TakeOffer",
    "UpdateSession",
]

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from agentfield.sessions.effects import Spoken, Updated
from agentfield.sessions.offers import OfferAssertions
from agentfield.sessions.ports import HandlerStart


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeOffer:
    """Take an SDP offer to the provider. The result is its answer, byte for byte."""

    sdp: bytes
    asserted: OfferAssertions


@dataclass(frozen=True, slots=True, kw_only=True)
class InvokeTool:
    """Run a tool for the client. The result is the id of the execution."""

    tool: str
    target: str
    input: bytes
    call_id: str
    """Of the model's call that is meant; empty: it is the client's own."""
    timeout: float
    """Seconds; 0: as declared."""
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSession:
    """End the session, unless it has ended."""

    reason: str
    """A value of EndReason."""
    detail: str
    attempt: int
    """Of the handler that ends it; 0: somebody else does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """Have a text spoken. The result is a Spoken."""

    attempt: int
    request_id: str
    text: str
    uninterruptible: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Respond:
    """Let the model answer. The result is a Spoken."""

    attempt: int
    request_id: str
    instructions: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupt:
    """Stop what is being said. The result is whether anything was."""

    attempt: int
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateSession:
    """Change what is given. The result is an Updated."""

    attempt: int
    request_id: str
    instructions: str | None
    tools: tuple[str, ...] | None


class HandlerOutcome(StrEnum):
    """What became of an attempt of a handler."""

    RETURNED = "returned"
    FAILED = "failed"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportHandler:
    """Note what became of an attempt."""

    attempt: int
    outcome: str
    """A value of HandlerOutcome."""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceHandler:
    """Send a handler to a worker of the replica that is asked.

    The result is the worker's instance id, None if there is none with room.
    """

    start: HandlerStart


Command = (
    TakeOffer
    | InvokeTool
    | EndSession
    | Say
    | Respond
    | Interrupt
    | UpdateSession
    | ReportHandler
    | PlaceHandler
)
Result = bytes | str | bool | None | Spoken | Updated
