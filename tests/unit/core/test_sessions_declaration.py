"""What an agent may declare of a session, how it is kept, and how it looks on the wire."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from unit.core.declarations import FULL, MATRIX, PLAIN

from agentfield.sessions.declaration import (
    LIMITS,
    Declaration,
    DeclaredLimits,
    ToolOption,
    checked,
    with_defaults,
)
from agentfield.v1 import errors

pytestmark = pytest.mark.unit


def test_the_matrix_is_the_contracts_in_its_order() -> None:
    assert MATRIX == {"openai": ["webrtc", "websocket"], "openrouter": ["audio_turns"]}


# --- checks ---


def test_names_of_provider_and_transport_are_put_into_the_contracts_words() -> None:
    loose = replace(
        PLAIN, provider=" OpenRouter ", transport="Audio-Turns", modalities=(), metadata=b""
    )

    assert checked(loose, MATRIX) == replace(PLAIN, provider="openrouter", transport="audio_turns")
    assert checked(FULL, MATRIX) == FULL


@pytest.mark.parametrize(
    ("provider", "transport", "message"),
    [
        ("", "webrtc", "Session provider is required; AgentField does not infer providers."),
        ("openai", "", "Session transport is required; AgentField does not infer transports."),
    ],
)
def test_nothing_is_inferred(provider: str, transport: str, message: str) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        checked(replace(PLAIN, provider=provider, transport=transport), MATRIX)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("provider", "transport", "message"),
    [
        (
            "Custom",
            "webrtc",
            (
                "Unknown session provider 'Custom'. Known providers: openai, openrouter. Register "
                "provider capabilities before using a custom session provider."
            ),
        ),
        (
            "openrouter",
            "webrtc",
            (
                "Unsupported session transport 'webrtc' for provider 'openrouter'. Supported "
                "transports: audio_turns. AgentField does not infer or switch providers; set "
                "provider and transport explicitly."
            ),
        ),
        (
            "openai",
            "web-rtc",
            (
                "Unsupported session transport 'web_rtc' for provider 'openai'. Supported "
                "transports: webrtc, websocket. AgentField does not infer or switch providers; set "
                "provider and transport explicitly."
            ),
        ),
    ],
)
def test_a_pair_that_is_not_in_the_matrix_is_refused(
    provider: str, transport: str, message: str
) -> None:
    with pytest.raises(errors.UnsupportedSessionTransport) as caught:
        checked(replace(PLAIN, provider=provider, transport=transport), MATRIX)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "9lives"}, "name"),
        ({"name": "a" * 129}, "name"),
        ({"modalities": ("audio", "smell")}, "modalities"),
        ({"modalities": ("text", "text")}, "modalities"),
        ({"data_channel": "9"}, "data_channel"),
        ({"instructions": "ü" * (32 * 1024 + 1)}, "instructions"),
        ({"tools": ("a b",)}, "tools"),
        ({"tools": ("look", "look")}, "tools"),
        ({"tools": tuple(f"t{n}" for n in range(129))}, "tools"),
        ({"tool_options": (ToolOption(tool="look"),)}, "tool_options"),
        (
            {"tools": ("look",), "tool_options": (ToolOption(tool="look", timeout=0.0),)},
            "tool_options.timeout",
        ),
        ({"metadata": b"[]"}, "metadata"),
        ({"metadata": b"{"}, "metadata"),
        ({"limits": DeclaredLimits(idle_timeout=0.0)}, "idle_timeout"),
        ({"limits": DeclaredLimits(max_duration=float("nan"))}, "max_duration"),
        ({"limits": DeclaredLimits(max_sessions=-1)}, "max_sessions"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        checked(replace(PLAIN, **changes), MATRIX)
    assert caught.value.metadata == {"field": f"sessions.{field}"}


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_may_be_as_large_as_the_most_and_no_larger(name: str) -> None:
    def limited(seconds: float) -> Declaration:
        changes: dict[str, Any] = {name: seconds}
        return replace(PLAIN, limits=DeclaredLimits(**changes))

    assert checked(limited(LIMITS[name]), MATRIX) == limited(LIMITS[name])
    with pytest.raises(errors.InvalidArgument, match=name):
        checked(limited(LIMITS[name] + 0.1), MATRIX)


def test_metadata_is_kept_up_to_its_size() -> None:
    text = b'{"a":"' + b"x" * (16 * 1024 - 8) + b'"}'
    fits = replace(PLAIN, metadata=text)
    assert checked(fits, MATRIX) == fits

    with pytest.raises(errors.PayloadTooLarge):
        checked(replace(PLAIN, metadata=text + b" "), MATRIX)


SERVER = {"type": "server_vad"}
SEMANTIC = {"type": "semantic_vad"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "turn_detection.type must be server_vad or semantic_vad"),
        ({"type": "9"}, "turn_detection.type must be server_vad or semantic_vad"),
        (
            {**SEMANTIC, "threshold": 0.5},
            "turn_detection.threshold is unsupported for semantic_vad",
        ),
        ({**SERVER, "eagerness": "low"}, "turn_detection.eagerness is unsupported for server_vad"),
        (
            {**SEMANTIC, "eagerness": "9"},
            "turn_detection.eagerness must be auto, low, medium, or high",
        ),
        (
            {**SERVER, "threshold": 1.01},
            "turn_detection.threshold must be a finite number between 0 and 1",
        ),
        (
            {**SERVER, "threshold": float("nan")},
            "turn_detection.threshold must be a finite number between 0 and 1",
        ),
        (
            {**SERVER, "silence_duration_ms": -1},
            "turn_detection.silence_duration_ms must be a non-negative integer",
        ),
    ],
)
def test_turn_detection_is_refused_in_the_known_words(given: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        checked(replace(PLAIN, turn_detection=given), MATRIX)
    assert caught.value.message == message


def test_turns_are_found_only_where_audio_streams() -> None:
    spoken = replace(PLAIN, provider="openrouter", transport="audio-turns")
    assert checked(spoken, MATRIX).turn_detection is None

    with pytest.raises(errors.InvalidArgument, match="requires provider=openai and"):
        checked(replace(spoken, turn_detection=SERVER), MATRIX)


def test_the_provider_does_not_speak_first_where_a_handler_leads() -> None:
    idle = replace(PLAIN, turn_detection={**SERVER, "idle_timeout_ms": 6000})
    assert checked(idle, MATRIX) == idle

    with pytest.raises(errors.InvalidArgument, match="idle_timeout_ms"):
        checked(replace(idle, has_handler=True), MATRIX)


def test_what_is_given_stands_beside_the_defaults() -> None:
    given = {"type": "server_vad", "threshold": 0.0, "interrupt_response": False}

    assert with_defaults(given) == {
        "type": "server_vad",
        "threshold": 0.0,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
        "create_response": True,
        "interrupt_response": False,
    }
    assert with_defaults(SEMANTIC)["eagerness"] == "auto"
    assert with_defaults(None)["type"] == "server_vad"
