"""What a session may be declared with: providers and transports, and turn detection.

The texts are the same in every SDK.
"""

from __future__ import annotations

__all__ = ["InvalidDeclaration", "SessionTransportError", "checked_pair", "checked_turn_detection"]

import math
from collections.abc import Mapping
from typing import Any

from agentfield.contract.facts import pairs
from agentfield.v1 import errors

_MOST = 2**31 - 1
_ANSWERS = ("create_response", "interrupt_response")
_DURATIONS = ("prefix_padding_ms", "silence_duration_ms", "idle_timeout_ms")
_FIELDS = {
    "server_vad": ("threshold", *_DURATIONS, *_ANSWERS),
    "semantic_vad": ("eagerness", *_ANSWERS),
}
_EAGERNESS = ("auto", "low", "medium", "high")


class InvalidDeclaration(errors.InvalidArgument, ValueError):
    """A session cannot be declared so; the message names what is wrong."""


class SessionTransportError(errors.UnsupportedSessionTransport, ValueError):
    """The provider does not have the transport."""

    def __init__(self, provider: str, transport: str, supported: tuple[str, ...]) -> None:
        listed = ", ".join(supported)
        super().__init__(
            f"Unsupported session transport '{transport}' for provider '{provider}'. "
            f"Supported transports: {listed}. AgentField does not infer or switch providers; "
            "set provider and transport explicitly.",
            metadata={"provider": provider, "transport": transport, "supported": listed},
        )
        self.provider = provider
        self.transport = transport
        self.supported = supported
        """The transports the provider has."""


def checked_pair(provider: str | None, transport: str | None) -> tuple[str, str]:
    """Return provider and transport in the contract's words.

    Raises SessionTransportError for a transport the provider does not have, InvalidDeclaration if
    one is missing or the provider is not known.
    """
    name, way = _word(provider), _word(transport)
    if not name:
        raise InvalidDeclaration(
            "Session provider is required; AgentField does not infer providers.",
            metadata={"field": "provider"},
        )
    known = list(dict.fromkeys(pair.provider for pair in pairs()))
    if name not in known:
        raise InvalidDeclaration(
            f"Unknown session provider '{provider}'. Known providers: {', '.join(known)}. "
            "Register provider capabilities before using a custom session provider.",
            metadata={"field": "provider"},
        )
    if not way:
        raise InvalidDeclaration(
            "Session transport is required; AgentField does not infer transports.",
            metadata={"field": "transport"},
        )
    supported = tuple(sorted(pair.transport for pair in pairs() if pair.provider == name))
    if way not in supported:
        raise SessionTransportError(name, way, supported)
    return name, way


def checked_turn_detection(
    detection: Any, *, provider: str, transport: str, has_handler: bool
) -> dict[str, Any] | None:
    """Return a copy of what was given, or None if nothing was. Raises InvalidDeclaration."""
    if detection is None:
        return None
    if provider != "openai" or transport not in {"webrtc", "websocket"}:
        raise _refusal(" requires provider=openai and transport=webrtc or websocket")
    if not isinstance(detection, Mapping):
        raise _refusal(" must be an object")
    kind = detection.get("type")
    fields = _FIELDS.get(kind) if isinstance(kind, str) else None
    if fields is None:
        raise _refusal(".type must be server_vad or semantic_vad")
    for name in detection:
        if name != "type" and name not in fields:
            raise _refusal(f".{name} is unsupported for {kind}")
    if has_handler and "idle_timeout_ms" in detection:
        raise _refusal(
            ".idle_timeout_ms would let the provider speak while the handler leads; "
            "declare it without a handler"
        )
    for name, value in detection.items():
        if name != "type":
            _check_value(name, value)
    return dict(detection)


def _word(text: str | None) -> str:
    return (text or "").strip().lower().replace("-", "_")


def _check_value(name: str, value: Any) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if name in _ANSWERS:
        if not isinstance(value, bool):
            raise _refusal(f".{name} must be a boolean")
    elif name in _DURATIONS:
        if not (number and isinstance(value, int) and 0 <= value <= _MOST):
            raise _refusal(f".{name} must be a non-negative integer")
    elif name == "threshold":
        if not (number and math.isfinite(value) and 0 <= value <= 1):
            raise _refusal(".threshold must be a finite number between 0 and 1")
    elif value not in _EAGERNESS:
        raise _refusal(".eagerness must be auto, low, medium, or high")


def _refusal(what: str) -> InvalidDeclaration:
    return InvalidDeclaration(f"turn_detection{what}", metadata={"field": "turn_detection"})
