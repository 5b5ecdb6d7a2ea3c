"""The session object: its defaults, how an update changes it, and what is refused."""

from __future__ import annotations

__all__ = ["check_tools", "new_session", "updated_session", "voice_of"]

import copy
from collections.abc import Mapping
from typing import Any

from agentfield.simulator.effects import Json
from agentfield.simulator.refusals import (
    Refused,
    checked_object,
    missing,
    unknown_parameter,
    unsupported,
)

_SERVER_VAD: Json = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
_SEMANTIC_VAD: Json = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}
_DETECTION = {"server_vad": _SERVER_VAD, "semantic_vad": _SEMANTIC_VAD}
_FORMATS = ("audio/pcm",)
_MODALITIES = ("audio", "text")

_DEFAULT: Json = {
    "type": "realtime",
    "object": "realtime.session",
    "id": "",
    "model": "gpt-realtime",
    "output_modalities": ["audio"],
    "instructions": "You are a helpful, witty, and friendly AI.",
    "tools": [],
    "tool_choice": "auto",
    "max_output_tokens": "inf",
    "tracing": None,
    "truncation": "auto",
    "prompt": None,
    "expires_at": 0,
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "transcription": None,
            "noise_reduction": None,
            "turn_detection": _SERVER_VAD,
        },
        "output": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "voice": "alloy",
            "speed": 1.0,
        },
    },
    "include": None,
}
_OWN = ("object", "id", "expires_at")
_KNOWN = {*_DEFAULT, "parallel_tool_calls", "reasoning"} - set(_OWN)
_TRANSCRIPTION = {"model", "language", "languages", "prompt", "keywords", "delay"}


def new_session(
    request: Mapping[str, Any],
    *,
    session_id: str,
    model: str | None,
    expires_at: int,
    silence_ms: int = _SERVER_VAD["silence_duration_ms"],
) -> Json:
    """Return the session a request asks for, or raise what is wrong with the request.

    ``silence_ms`` is what ends a turn unless the request says otherwise.
    """
    session = copy.deepcopy(_DEFAULT) | {"id": session_id, "expires_at": expires_at}
    session["audio"]["input"]["turn_detection"]["silence_duration_ms"] = silence_ms
    session["model"] = request.get("model") or model or session["model"]
    return _merged(session, request)


def updated_session(session: Json, request: Mapping[str, Any], *, has_spoken: bool) -> Json:
    """Return the session after an update; only what the update names changes."""
    if "model" in request and request["model"] != session["model"]:
        raise Refused(
            "Cannot change the model of a session after it was created.",
            code="invalid_value",
            param="session.model",
        )
    merged = _merged(session, request)
    if has_spoken and voice_of(merged) != voice_of(session):
        raise Refused(
            "Cannot update a conversation's voice if assistant audio is present.",
            code="cannot_update_voice",
            param="session.audio.output.voice",
        )
    return merged


def voice_of(session: Json) -> object:
    """Return the voice a session speaks with."""
    return session["audio"]["output"]["voice"]


def _merged(session: Json, request: Mapping[str, Any]) -> Json:
    if "type" not in request:
        raise missing("session.type")
    if request["type"] != "realtime":
        raise unsupported("session.type", request["type"], ["realtime"])
    _only(request, _KNOWN, "session")
    _check_modalities(request)
    check_tools(request.get("tools") or [], "session.tools")
    merged = session | {key: value for key, value in request.items() if key != "audio"}
    merged["tools"] = request.get("tools", session["tools"]) or []
    merged["audio"] = _merged_audio(
        session["audio"], checked_object(request.get("audio"), "session.audio")
    )
    return merged


def _merged_audio(audio: Json, request: Mapping[str, Any]) -> Json:
    _only(request, {"input", "output"}, "session.audio")
    incoming = checked_object(request.get("input"), "session.audio.input")
    outgoing = checked_object(request.get("output"), "session.audio.output")
    _only(incoming, set(audio["input"]), "session.audio.input")
    _only(outgoing, set(audio["output"]), "session.audio.output")
    for side, values in (("input", incoming), ("output", outgoing)):
        _check_format(values, f"session.audio.{side}.format")
    heard = audio["input"] | dict(incoming)
    if "turn_detection" in incoming:
        heard["turn_detection"] = _detection(
            audio["input"]["turn_detection"], incoming["turn_detection"]
        )
    if incoming.get("transcription") is not None:
        wanted = checked_object(incoming["transcription"], "session.audio.input.transcription")
        _only(wanted, _TRANSCRIPTION, "session.audio.input.transcription")
        heard["transcription"] = {"model": "whisper-1", "language": None, "prompt": None}
        heard["transcription"] |= wanted
    return {"input": heard, "output": audio["output"] | dict(outgoing)}


def _detection(before: Json | None, wanted: Any) -> Json | None:
    if wanted is None:
        return None
    param = "session.audio.input.turn_detection"
    settings = checked_object(wanted, "session.audio.input.turn_detection")
    if "type" not in settings:
        raise missing(f"{param}.type")
    if settings["type"] not in _DETECTION:
        raise unsupported(f"{param}.type", settings["type"], _DETECTION)
    defaults = _DETECTION[settings["type"]]
    _only(settings, set(defaults), param)
    if before is not None and before["type"] == settings["type"]:
        defaults = before
    return defaults | dict(settings)


def _check_modalities(request: Mapping[str, Any]) -> None:
    wanted = request.get("output_modalities", ["audio"])
    if wanted not in ([each] for each in _MODALITIES):
        raise unsupported("session.output_modalities", wanted, ["[audio]", "[text]"])


def check_tools(tools: Any, name: str) -> None:
    """Refuse tools that are none."""
    for number, given in enumerate(tools):
        param = f"{name}[{number}]"
        tool = checked_object(given, param)
        kind = tool.get("type", "function")
        if kind not in {"function", "mcp"}:
            raise unsupported(f"{param}.type", kind, ["function", "mcp"])
        if kind == "function":
            _only(tool, {"type", "name", "description", "parameters"}, param)
            if not tool.get("name"):
                raise missing(f"{param}.name")


def _check_format(values: Mapping[str, Any], param: str) -> None:
    wanted = checked_object(values.get("format"), param)
    if wanted and wanted.get("type") not in _FORMATS:
        raise unsupported(f"{param}.type", wanted.get("type"), _FORMATS)


def _only(values: Mapping[str, Any], known: set[str], param: str) -> None:
    for key in values:
        if key not in known:
            raise unknown_parameter(f"{param}.{key}")
