"""What an agent declares of a session, and the checks a declaration must pass.

Texts of the provider and transport family are the same in every SDK.
"""

from __future__ import annotations

__all__ = [
    "WITH_DETECTION",
    "Declaration",
    "DeclaredLimits",
    "Matrix",
    "ToolOption",
    "checked",
    "checked_pair",
    "with_defaults",
]

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agentfield.contract.jsonslice import MalformedJson, check_json
from agentfield.v1 import errors

Matrix = Mapping[str, Sequence[str]]
"""The transports of each provider, in the contract's order."""

MAX_METADATA = 16 * 1024
MAX_INSTRUCTIONS = 64 * 1024
MAX_TOOLS = 128
MAX_NAME = 128
"""Characters of a model's or voice's name."""
MODALITIES = ("audio", "text")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
_TOOL = re.compile(r"([A-Za-z0-9_-]{1,128}\.)?[A-Za-z_][A-Za-z0-9_.-]{0,127}")
WITH_DETECTION = ("webrtc", "websocket")
"""The transports over which turns are found in a stream of audio."""
_EAGERNESS = ("auto", "low", "medium", "high")
_DETECTION_FIELDS = {
    "server_vad": (
        "threshold",
        "prefix_padding_ms",
        "silence_duration_ms",
        "create_response",
        "interrupt_response",
        "idle_timeout_ms",
    ),
    "semantic_vad": ("eagerness", "create_response", "interrupt_response"),
}
_DETECTION_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "server_vad": {
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
        "create_response": True,
        "interrupt_response": True,
    },
    "semantic_vad": {"eagerness": "auto", "create_response": True, "interrupt_response": True},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredLimits:
    """What a session may use, in seconds."""

    connect_timeout: float = 60.0
    idle_timeout: float = 300.0
    max_duration: float = 3600.0
    tool_timeout: float = 30.0
    transcript_timeout: float = 5.0
    handler_grace: float = 30.0
    max_sessions: int = 0
    """Of this target at once. 0: the server's limit."""


LIMITS = {
    "connect_timeout": 600.0,
    "idle_timeout": 86_400.0,
    "max_duration": 86_400.0,
    "tool_timeout": 3600.0,
    "transcript_timeout": 60.0,
    "handler_grace": 600.0,
}
"""The most that each may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOption:
    """Options of one tool."""

    tool: str
    timeout: float | None = None
    cancel_on_interrupt: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What an agent declares with ``@app.session(...)``."""

    name: str
    provider: str
    transport: str
    model: str = ""
    modalities: tuple[str, ...] = MODALITIES
    voice: str = ""
    instructions: str = ""
    tools: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    metadata: bytes = b"{}"
    turn_detection: Mapping[str, Any] | None = None
    """Only what was given, by the contract's names; None: the provider's default."""
    transcription: Mapping[str, str] | None = field(default_factory=dict)
    """``model`` and ``language``, if given; None: off."""
    data_channel: str = "monitor"
    limits: DeclaredLimits = DeclaredLimits()
    tool_options: tuple[ToolOption, ...] = ()
    has_handler: bool = False

    @property
    def speaks(self) -> bool:
        """Whether the model speaks; else it writes."""
        return "audio" in self.modalities

    @property
    def answers(self) -> bool:
        """Whether the model answers turns that no handler leads."""
        return bool((self.turn_detection or {}).get("create_response", True))

    @property
    def interruptible(self) -> bool:
        """Whether the user's speech cuts the agent's."""
        return bool((self.turn_detection or {}).get("interrupt_response", True))

    def tool_option(self, tool: str) -> ToolOption:
        """Return the options of a tool as ``tools`` lists it."""
        found = (option for option in self.tool_options if option.tool == tool)
        return next(found, ToolOption(tool=tool))


def checked_pair(provider: str, transport: str, matrix: Matrix) -> tuple[str, str]:
    """Return provider and transport in the contract's words.

    Raises UnsupportedSessionTransport, whose metadata has ``provider``, ``transport`` and
    ``supported``, and InvalidArgument if one is missing.
    """
    name, way = _word(provider), _word(transport)
    if not name:
        raise errors.InvalidArgument(
            "Session provider is required; AgentField does not infer providers.",
            metadata={"field": "provider"},
        )
    if name not in matrix:
        raise errors.UnsupportedSessionTransport(
            f"Unknown session provider '{provider}'. Known providers: {', '.join(matrix)}. "
            "Register provider capabilities before using a custom session provider.",
            metadata={"provider": provider, "transport": transport},
        )
    if not way:
        raise errors.InvalidArgument(
            "Session transport is required; AgentField does not infer transports.",
            metadata={"field": "transport"},
        )
    supported = ", ".join(matrix[name])
    if way not in matrix[name]:
        raise errors.UnsupportedSessionTransport(
            f"Unsupported session transport '{way}' for provider '{name}'. "
            f"Supported transports: {supported}. AgentField does not infer or switch providers; "
            "set provider and transport explicitly.",
            metadata={"provider": name, "transport": way, "supported": supported},
        )
    return name, way


def checked(declaration: Declaration, matrix: Matrix) -> Declaration:
    """Return the declaration in the contract's words. Raises what names what is wrong with it."""
    d = declaration
    _require(bool(_NAME.fullmatch(d.name)), d, "name", "is not a valid name")
    provider, transport = checked_pair(d.provider, d.transport, matrix)
    modalities = d.modalities or MODALITIES
    known = set(modalities) <= set(MODALITIES) and len(set(modalities)) == len(modalities)
    _require(known, d, "modalities", "are audio, text or both")
    _require(d.data_channel in {"monitor", "refuse"}, d, "data_channel", "is monitor or refuse")
    _require(len(d.instructions.encode()) <= MAX_INSTRUCTIONS, d, "instructions", "are too long")
    for name in ("model", "voice"):
        _require(len(getattr(d, name)) <= MAX_NAME, d, name, f"has at most {MAX_NAME} characters")
    _check_tools(d)
    _check_metadata(d)
    _check_limits(d)
    _check_detection(d)
    return replace(
        d,
        provider=provider,
        transport=transport,
        modalities=tuple(modalities),
        metadata=d.metadata or b"{}",
    )


def with_defaults(turn_detection: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return turn detection with the documented defaults for what was not given."""
    given = dict(turn_detection or {})
    kind = given.get("type", "server_vad")
    return {"type": kind, **_DETECTION_DEFAULTS[kind], **given}


def _word(text: str) -> str:
    return text.strip().lower().replace("-", "_")


def _require(holds: bool, declaration: Declaration, name: str, what: str) -> None:  # noqa: FBT001
    if not holds:
        raise errors.InvalidArgument(
            f"Session '{declaration.name[:128]}': {name} {what}.",
            metadata={"field": f"sessions.{name}"},
        )


def _check_tools(d: Declaration) -> None:
    _require(len(d.tools) <= MAX_TOOLS, d, "tools", f"are at most {MAX_TOOLS}")
    for tool in d.tools:
        _require(bool(_TOOL.fullmatch(tool)), d, "tools", f"has '{tool[:128]}', which is no target")
    _require(len(set(d.tools)) == len(d.tools), d, "tools", "lists a tool twice")
    for option in d.tool_options:
        is_tool = option.tool in d.tools
        _require(is_tool, d, "tool_options", f"names '{option.tool[:128]}', which is no tool of it")
        if option.timeout is not None:
            _check_seconds(d, "tool_options.timeout", option.timeout, LIMITS["tool_timeout"])


def _check_metadata(d: Declaration) -> None:
    if len(d.metadata) > MAX_METADATA:
        raise errors.PayloadTooLarge(
            f"The metadata of session '{d.name}' has {len(d.metadata)} bytes; "
            f"at most {MAX_METADATA} are kept.",
            metadata={"limit": str(MAX_METADATA)},
        )
    if d.metadata:
        try:
            check_json(d.metadata, expect_object=True)
        except MalformedJson as error:
            _require(False, d, "metadata", f"must be a JSON object: {error}")


def _check_limits(d: Declaration) -> None:
    for name, most in LIMITS.items():
        _check_seconds(d, name, getattr(d.limits, name), most)
    _require(0 <= d.limits.max_sessions <= 1_000_000, d, "max_sessions", "is 0 to 1000000")


def _check_seconds(d: Declaration, name: str, seconds: float, most: float) -> None:
    ok = math.isfinite(seconds) and 0 < seconds <= most
    _require(ok, d, name, f"of {seconds:g} s is not above 0 and at most {most:g} s")


def _check_detection(d: Declaration) -> None:
    detection = d.turn_detection
    if detection is None:
        return
    # What the contract's types already ensure is not checked again.
    if _word(d.transport) not in WITH_DETECTION:
        raise errors.InvalidArgument(
            "turn_detection requires provider=openai and transport=webrtc or websocket",
            metadata={"field": "sessions.turn_detection"},
        )
    kind = detection.get("type")
    fields = _DETECTION_FIELDS.get(str(kind))
    if fields is None:
        raise _bad_detection("type must be server_vad or semantic_vad", "type")
    for name in detection:
        if name not in {"type", *fields}:
            raise _bad_detection(f"{name} is unsupported for {kind}", name)
    _check_detection_values(detection)
    if "idle_timeout_ms" in detection and d.has_handler:
        raise _bad_detection(
            "idle_timeout_ms would let the provider speak while the handler leads; "
            "declare it without a handler",
            "idle_timeout_ms",
        )


def _check_detection_values(detection: Mapping[str, Any]) -> None:
    threshold = detection.get("threshold", 0.5)
    if not (math.isfinite(threshold) and 0 <= threshold <= 1):
        raise _bad_detection("threshold must be a finite number between 0 and 1", "threshold")
    if detection.get("eagerness", "auto") not in _EAGERNESS:
        raise _bad_detection("eagerness must be auto, low, medium, or high", "eagerness")
    for name in ("prefix_padding_ms", "silence_duration_ms", "idle_timeout_ms"):
        if detection.get(name, 0) < 0:
            raise _bad_detection(f"{name} must be a non-negative integer", name)


def _bad_detection(what: str, name: str) -> errors.InvalidArgument:
    return errors.InvalidArgument(
        f"turn_detection.{what}", metadata={"field": f"sessions.turn_detection.{name}"}
    )
