"""What a session may be declared with: providers and transports, tools, and turn detection.

The texts are the same in every SDK.
"""

from __future__ import annotations

__all__ = [
    "MAX_TOOLS",
    "InvalidDeclaration",
    "SessionTransportError",
    "checked_pair",
    "checked_texts",
    "checked_tools",
    "checked_turn_detection",
    "refusal",
]

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from agentfield.contract.facts import pairs
from agentfield.v1 import errors

MAX_TOOLS = 128
_TOOL = re.compile(r"([A-Za-z0-9_-]{1,128}\.)?[A-Za-z_][A-Za-z0-9_.-]{0,127}")
_MOST = 2**31 - 1
_ANSWERS = ("create_response", "interrupt_response")
_DURATIONS = ("prefix_padding_ms", "silence_duration_ms", "idle_timeout_ms")
_FIELDS = {
    "server_vad": ("threshold", *_DURATIONS, *_ANSWERS),
    "semantic_vad": ("eagerness", *_ANSWERS),
}
_EAGERNESS = ("auto", "low", "medium", "high")


class InvalidDeclaration(errors.InvalidArgument, ValueError):
    """A session or function cannot be declared so; the message names what is wrong."""


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


def refusal(field: str, what: str) -> InvalidDeclaration:
    """Return what is raised for an option that is wrong."""
    return InvalidDeclaration(f"{field} {what}", metadata={"field": field})


def checked_texts(field: str, values: Any, form: re.Pattern[str], what: str) -> list[str]:
    """Return the list of texts that an option is. Raises InvalidDeclaration."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise refusal(field, "must be a list")
    texts = list(values)
    for text in texts:
        if not (isinstance(text, str) and form.fullmatch(text)):
            raise refusal(field, f"has {text!r}, which is not {what}")
    if len(set(texts)) < len(texts):
        raise refusal(field, "must not say the same twice")
    return texts


def checked_tools(values: Any) -> list[str]:
    """Return what the model and the client may call. Raises InvalidDeclaration."""
    tools = checked_texts("tools", values, _TOOL, "`node.function` or `function`")
    if len(tools) > MAX_TOOLS:
        raise refusal("tools", f"has {len(tools)} of them; at most {MAX_TOOLS} are taken")
    return tools


def checked_turn_detection(
    detection: Any, *, provider: str, transport: str, has_handler: bool
) -> dict[str, Any] | None:
    """Return a copy of what was given, or None if nothing was. Raises InvalidDeclaration."""
    if detection is None:
        return None
    if provider != "openai" or transport not in {"webrtc", "websocket"}:
        raise _bad_detection(" requires provider=openai and transport=webrtc or websocket")
    if not isinstance(detection, Mapping):
        raise _bad_detection(" must be an object")
    kind = detection.get("type")
    fields = _FIELDS.get(kind) if isinstance(kind, str) else None
    if fields is None:
        raise _bad_detection(".type must be server_vad or semantic_vad")
    for name in detection:
        if name != "type" and name not in fields:
            raise _bad_detection(f".{name} is unsupported for {kind}")
    if has_handler and "idle_timeout_ms" in detection:
        raise _bad_detection(
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
            raise _bad_detection(f".{name} must be a boolean")
    elif name in _DURATIONS:
        if not (number and isinstance(value, int) and 0 <= value <= _MOST):
            raise _bad_detection(f".{name} must be a non-negative integer")
    elif name == "threshold":
        if not (number and math.isfinite(value) and 0 <= value <= 1):
            raise _bad_detection(".threshold must be a finite number between 0 and 1")
    elif value not in _EAGERNESS:
        raise _bad_detection(".eagerness must be auto, low, medium, or high")


def _bad_detection(what: str) -> InvalidDeclaration:
    return InvalidDeclaration(f"turn_detection{what}", metadata={"field": "turn_detection"})
