"""The session object of OpenAI Realtime: what we ask for, and what of it is not in force.

Fields: ``openai.types.realtime.RealtimeSessionCreateRequest``.
"""

from __future__ import annotations

__all__ = [
    "Frame",
    "differences",
    "new_session",
    "offer_body",
    "updated_session",
    "voice_of",
    "voice_update",
]

import json
from collections.abc import Mapping
from typing import Any

from agentfield.sessions.provider import Configuration, ToolSpec

Frame = dict[str, Any]
"""A JSON object as it is on the wire."""


def new_session(configuration: Configuration) -> Frame:
    """Return the ``session`` part of an offer: all of it, also what cannot change later."""
    session = updated_session(configuration) | {"model": configuration.model}
    if configuration.voice:
        session["audio"]["output"] = {"voice": _voice(configuration.voice)}
    return session


def updated_session(configuration: Configuration) -> Frame:
    """Return the session of an update: all that may change at any time.

    The voice may not once it has been heard, and then the whole update would be refused.
    """
    heard: Frame = {"transcription": None}
    if configuration.transcription is not None:
        heard["transcription"] = dict(configuration.transcription)
    if configuration.turn_detection is not None:
        heard["turn_detection"] = dict(configuration.turn_detection)
    return {
        "type": "realtime",
        "instructions": configuration.instructions,
        "output_modalities": _modalities(configuration),
        "audio": {"input": heard},
        "tools": [_tool(tool) for tool in configuration.tools],
        "tool_choice": "auto",
    }


def voice_update(voice: str) -> Frame:
    """Return the session of an update of the voice alone."""
    return {"type": "realtime", "audio": {"output": {"voice": _voice(voice)}}}


def voice_of(session: Mapping[str, Any]) -> str:
    """Return the voice that a session of the provider has; empty if it does not say."""
    voice = _at(session, "audio", "output", "voice")
    return str(voice.get("id", "")) if isinstance(voice, dict) else str(voice or "")


def differences(configuration: Configuration, session: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of what a session of the provider has otherwise than we asked for.

    Only what we set counts. The provider fills in defaults beside it; what it does not mention it
    has not changed.
    """
    wanted = updated_session(configuration)
    expected = wanted["audio"]["input"]
    found = [
        name
        for name in ("instructions", "output_modalities", "tool_choice")
        if session.get(name, wanted[name]) != wanted[name]
    ]
    if "tools" in session and not _same_tools(wanted["tools"], session["tools"]):
        found.append("tools")
    if configuration.voice and voice_of(session) not in {"", configuration.voice}:
        found.append("voice")
    actual = _at(session, "audio", "input")
    if isinstance(actual, dict):
        found += [
            name
            for name in ("transcription", "turn_detection")
            if name in expected and name in actual and not _has(actual[name], expected[name])
        ]
    return tuple(found)


def offer_body(sdp: bytes, session: Mapping[str, Any], boundary: str) -> bytes:
    """Return the multipart body of an offer: two parts without file names, the SDP as it is."""
    parts = (
        ("sdp", "application/sdp", sdp),
        ("session", "application/json", json.dumps(session).encode()),
    )
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n'
        f"Content-Type: {content_type}\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, content_type, content in parts
    )
    return body + f"--{boundary}--\r\n".encode()


def _modalities(configuration: Configuration) -> list[str]:
    return ["audio"] if "audio" in configuration.modalities else ["text"]


def _voice(voice: str) -> str | dict[str, str]:
    return {"id": voice} if voice.startswith("voice_") else voice


def _tool(tool: ToolSpec) -> Frame:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.input_schema),
    }


def _same_tools(ours: list[Frame], theirs: Any) -> bool:
    if not isinstance(theirs, list) or len(ours) != len(theirs):
        return False
    named = {str(tool.get("name")): tool for tool in theirs if isinstance(tool, dict)}
    return all(_same_tool(tool, named.get(tool["name"], {})) for tool in ours)


def _same_tool(ours: Frame, theirs: Frame) -> bool:
    said = (theirs.get("type"), theirs.get("description") or "", _loose(theirs.get("parameters")))
    return said == (ours["type"], ours["description"], _loose(ours["parameters"]))


def _loose(schema: Any) -> Any:
    # The provider notes there how it treats the schema.
    if isinstance(schema, dict):
        return {name: value for name, value in schema.items() if name != "strict"}
    return schema


def _has(actual: Any, wanted: Mapping[str, Any] | None) -> bool:
    if wanted is None or not isinstance(actual, dict):
        return wanted is None and actual is None
    return all(actual.get(name) == value for name, value in wanted.items())


def _at(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
