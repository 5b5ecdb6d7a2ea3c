"""Sessions as a node declares them, and the handler that leads the conversation."""

from __future__ import annotations

__all__ = [
    "LIMITS",
    "MAX_INSTRUCTIONS",
    "MAX_METADATA",
    "MAX_NAME",
    "MAX_SESSIONS",
    "DeclaredSession",
    "Handler",
    "check_handler",
    "declare_session",
]

import inspect
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

from agentfield.v1 import session_pb2 as pb
from agentfield.v1.errors import InvalidArgument
from agentfield_sdk.payload import dump, duration
from agentfield_sdk.realtime import RealtimeSession
from agentfield_sdk.session_checks import (
    InvalidDeclaration,
    checked_pair,
    checked_texts,
    checked_tools,
    checked_turn_detection,
    refusal,
)
from agentfield_sdk.session_options import SessionOptions, ToolOption

Handler = Callable[[RealtimeSession], Coroutine[Any, Any, Any]]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
_MODALITY = re.compile(r"audio|text")
_TAG = re.compile(r".+", re.DOTALL)
MAX_METADATA = 16 * 1024
MAX_INSTRUCTIONS = 64 * 1024
MAX_NAME = 128
MAX_SESSIONS = 1_000_000
LIMITS = {
    "connect_timeout": 600.0,
    "idle_timeout": 86_400.0,
    "max_duration": 86_400.0,
    "tool_timeout": 3600.0,
    "transcript_timeout": 60.0,
    "handler_grace": 600.0,
}
"""The most seconds that each may be; the control plane has the same table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredSession:
    """A session of a node."""

    declaration: pb.SessionDeclaration
    handler: Handler | None
    """Leads the conversation; without one the model does."""


def declare_session(
    name: str, *, has_handler: bool, **options: Unpack[SessionOptions]
) -> pb.SessionDeclaration:
    """Check a declaration and return what the control plane is told of it.

    Raises SessionTransportError and InvalidDeclaration, which are ValueErrors, and TypeError for
    an option that does not exist.
    """
    for key in options:
        if key not in SessionOptions.__annotations__:
            raise TypeError(f"A session has no option '{key}'.")
    given: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
    _check_name(name)
    provider, transport = checked_pair(given.get("provider"), given.get("transport"))
    detection = checked_turn_detection(
        given.get("turn_detection"),
        provider=provider,
        transport=transport,
        has_handler=has_handler,
    )
    tools = checked_tools(given.get("tools", ()))
    return pb.SessionDeclaration(
        name=name,
        provider=provider,
        transport=transport,
        model=_text(given, "model"),
        modalities=checked_texts(
            "modalities", given.get("modalities", ()), _MODALITY, "audio or text"
        ),
        voice=_text(given, "voice"),
        instructions=_instructions(given),
        tools=tools,
        tags=checked_texts("tags", given.get("tags", ()), _TAG, "a label"),
        metadata=_metadata(given.get("metadata", {})),
        turn_detection=None if detection is None else _detection(detection),
        transcription=_transcription(given.get("transcription", True)),
        data_channel=_data_channel(given.get("data_channel", "monitor")),
        limits=_limits(given),
        tool_options=_tool_options(given.get("tool_options", {}), tools),
        has_handler=has_handler,
    )


def check_handler(handler: Any) -> None:
    """Raise TypeError unless it is an async function that takes the session."""
    if not inspect.iscoroutinefunction(handler):
        raise TypeError(f"The handler of a session is an async function, not {handler!r}.")
    try:
        inspect.signature(handler).bind(None)
    except TypeError:
        raise TypeError(
            f"The handler of a session takes one argument, the session: {handler!r} does not."
        ) from None


def _check_name(name: Any) -> None:
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise InvalidDeclaration(
            f"'{name}' cannot be a session's name: letters, digits, _ . and -, no digit first, "
            "at most 128.",
            metadata={"field": "name"},
        )


def _text(given: Mapping[str, Any], field: str) -> str:
    value = given.get(field, "")
    if not isinstance(value, str):
        raise refusal(field, "must be text")
    if field in {"model", "voice"} and len(value) > MAX_NAME:
        raise refusal(field, f"has at most {MAX_NAME} characters")
    return value


def _instructions(given: Mapping[str, Any]) -> str:
    text = _text(given, "instructions")
    size = len(text.encode(errors="replace"))
    if size > MAX_INSTRUCTIONS:
        raise refusal("instructions", f"has {size} bytes; at most {MAX_INSTRUCTIONS} are kept")
    return text


def _metadata(value: Any) -> bytes:
    if not isinstance(value, Mapping):
        raise refusal("metadata", "must be an object")
    try:
        data = dump(value) if value else b""
    except InvalidArgument as error:
        raise refusal("metadata", f"is no JSON: {error}") from None
    if len(data) > MAX_METADATA:
        raise refusal("metadata", f"has {len(data)} bytes; at most {MAX_METADATA} are kept")
    return data


def _detection(given: Mapping[str, Any]) -> pb.TurnDetection:
    rest = {name: value for name, value in given.items() if name not in {"type", "eagerness"}}
    eagerness = given.get("eagerness", "unspecified")
    return pb.TurnDetection(
        type=pb.TurnDetectionType.Value(f"TURN_DETECTION_TYPE_{given['type'].upper()}"),
        eagerness=pb.Eagerness.Value(f"EAGERNESS_{eagerness.upper()}"),
        **rest,
    )


def _transcription(value: Any) -> pb.Transcription:
    if isinstance(value, bool):
        return pb.Transcription(off=not value)
    if not isinstance(value, Mapping) or not value.keys() <= {"model", "language"}:
        raise refusal("transcription", "must be True, False, or an object of model and language")
    model, language = value.get("model", ""), value.get("language", "")
    if not (isinstance(model, str) and isinstance(language, str)):
        raise refusal("transcription", "has a model and a language as text")
    return pb.Transcription(model=model, language=language)


def _data_channel(value: Any) -> pb.DataChannel.ValueType:
    if value not in {"monitor", "refuse"}:
        raise refusal("data_channel", "must be monitor or refuse")
    return pb.DataChannel.Value(f"DATA_CHANNEL_{value.upper()}")


def _limits(given: Mapping[str, Any]) -> pb.SessionLimits | None:
    limits: dict[str, Any] = {
        name: duration(_seconds(name, given[name], most))
        for name, most in LIMITS.items()
        if name in given
    }
    if "max_sessions" in given:
        most = given["max_sessions"]
        if not isinstance(most, int) or isinstance(most, bool) or not 0 < most <= MAX_SESSIONS:
            raise refusal("max_sessions", f"must be a positive integer, at most {MAX_SESSIONS}")
        limits["max_sessions"] = most
    return pb.SessionLimits(**limits) if limits else None


def _seconds(field: str, value: Any, most: float) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and 0 < value <= most):
        raise refusal(field, f"must be a positive number of seconds, at most {most:g}")
    return float(value)


def _tool_options(given: Any, tools: Sequence[str]) -> list[pb.ToolOptions]:
    if not isinstance(given, Mapping):
        raise refusal("tool_options", "must be an object")
    return [_tool(tool, options, tools) for tool, options in given.items()]


def _tool(tool: str, options: Any, tools: Sequence[str]) -> pb.ToolOptions:
    field = f"tool_options.{tool}"
    if tool not in tools:
        raise refusal(field, "is of no tool that tools lists")
    if not isinstance(options, Mapping):
        raise refusal(field, "must be an object of timeout and cancel_on_interrupt")
    for key in options:
        if key not in ToolOption.__annotations__:
            raise refusal(field, f"has no option {key!r}, only timeout and cancel_on_interrupt")
    cancel = options.get("cancel_on_interrupt", False)
    if not isinstance(cancel, bool):
        raise refusal(f"{field}.cancel_on_interrupt", "must be a boolean")
    timeout = options.get("timeout")
    if timeout is not None:
        timeout = _seconds(f"{field}.timeout", timeout, LIMITS["tool_timeout"])
    return pb.ToolOptions(tool=tool, timeout=duration(timeout), cancel_on_interrupt=cancel)
