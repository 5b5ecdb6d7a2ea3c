from __future__ import annotations

import re
from typing import Any

import pytest
from unit.sdk.declared import OPENAI, TURNS

from agentfield.sessions import declaration as control_plane
from agentfield.v1 import errors
from agentfield.v1 import session_pb2 as pb
from agentfield_sdk import (
    Agent,
    AgentFieldError,
    InvalidDeclaration,
    SessionTransportError,
)
from agentfield_sdk import session_declaration as sdk
from agentfield_sdk.session_checks import MAX_TOOLS
from agentfield_sdk.session_declaration import declare_session

pytestmark = pytest.mark.unit


def declared(*, has_handler: bool = False, **options: Any) -> pb.SessionDeclaration:
    return declare_session("voice", has_handler=has_handler, **{**OPENAI, **options})


@pytest.mark.parametrize(
    ("provider", "transport", "text"),
    [
        (
            "openrouter",
            "webrtc",
            "Unsupported session transport 'webrtc' for provider 'openrouter'. Supported transports: audio_turns. AgentField does not infer or switch providers; set provider and transport explicitly.",
        ),
        (
            " OpenAI ",
            "web-rtc",
            "Unsupported session transport 'web_rtc' for provider 'openai'. Supported transports: webrtc, websocket. AgentField does not infer or switch providers; set provider and transport explicitly.",
        ),
    ],
)
def test_a_transport_that_the_provider_does_not_have_is_refused(
    provider: str, transport: str, text: str
) -> None:
    with pytest.raises(SessionTransportError) as refusal:
        Agent("node").session("voice", provider=provider, transport=transport)

    assert str(refusal.value) == text
    assert isinstance(refusal.value, ValueError)
    assert isinstance(refusal.value, errors.UnsupportedSessionTransport)


def test_the_refusal_of_a_transport_names_what_there_is() -> None:
    with pytest.raises(SessionTransportError) as refusal:
        Agent("node").add_session("voice", provider="OPENROUTER", transport="webrtc")

    error = refusal.value
    assert (error.provider, error.transport) == ("openrouter", "webrtc")
    assert error.supported == ("audio_turns",)
    assert error.metadata["supported"] == "audio_turns"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"transport": "webrtc"},
            "Session provider is required; AgentField does not infer providers.",
        ),
        (
            {"provider": None, "transport": None},
            "Session provider is required; AgentField does not infer providers.",
        ),
        (
            {"provider": "openai"},
            "Session transport is required; AgentField does not infer transports.",
        ),
        (
            {"provider": "openai", "transport": "  "},
            "Session transport is required; AgentField does not infer transports.",
        ),
        (
            {"provider": "Custom", "transport": "webrtc"},
            "Unknown session provider 'Custom'. Known providers: openai, openrouter. Register provider capabilities before using a custom session provider.",
        ),
    ],
)
def test_provider_and_transport_are_never_inferred(options: Any, text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)) as refusal:
        Agent("node").session("voice", **options)

    assert isinstance(refusal.value, AgentFieldError)


def test_provider_and_transport_are_normalised() -> None:
    found = declared(provider=" OpenRouter", transport="Audio-Turns ")

    assert (found.provider, found.transport) == ("openrouter", "audio_turns")


@pytest.mark.parametrize(
    ("detection", "text"),
    [
        ([], "turn_detection must be an object"),
        ("server_vad", "turn_detection must be an object"),
        ({}, "turn_detection.type must be server_vad or semantic_vad"),
        ({"type": ["server_vad"]}, "turn_detection.type must be server_vad or semantic_vad"),
        (
            {"type": "server_vad", "eagerness": "low"},
            "turn_detection.eagerness is unsupported for server_vad",
        ),
        (
            {"type": "semantic_vad", "threshold": 0.5},
            "turn_detection.threshold is unsupported for semantic_vad",
        ),
        (
            {"type": "semantic_vad", "idle_timeout_ms": 1},
            "turn_detection.idle_timeout_ms is unsupported for semantic_vad",
        ),
        ({"type": "server_vad", "Type": 1}, "turn_detection.Type is unsupported for server_vad"),
        (
            {"type": "server_vad", "create_response": None},
            "turn_detection.create_response must be a boolean",
        ),
        (
            {"type": "semantic_vad", "interrupt_response": 1},
            "turn_detection.interrupt_response must be a boolean",
        ),
        *(
            (
                {"type": "server_vad", "threshold": wrong},
                "turn_detection.threshold must be a finite number between 0 and 1",
            )
            for wrong in (True, "0.5", None, -0.1, 1.1, float("nan"), float("inf"))
        ),
        *(
            (
                {"type": "server_vad", name: wrong},
                f"turn_detection.{name} must be a non-negative integer",
            )
            for name in ("prefix_padding_ms", "silence_duration_ms", "idle_timeout_ms")
            for wrong in (1.5, True, -1, None, "1", 2**31)
        ),
        *(
            (
                {"type": "semantic_vad", "eagerness": wrong},
                "turn_detection.eagerness must be auto, low, medium, or high",
            )
            for wrong in ("", "LOW", None, 1)
        ),
    ],
)
def test_turn_detection_that_is_wrong_is_refused(detection: Any, text: str) -> None:
    with pytest.raises(ValueError, match="turn_detection") as refusal:
        declared(turn_detection=detection)

    assert str(refusal.value) == text
    assert isinstance(refusal.value, errors.InvalidArgument)


def test_turn_detection_is_for_a_realtime_provider() -> None:
    text = "turn_detection requires provider=openai and transport=webrtc or websocket"

    with pytest.raises(ValueError, match=text):
        declared(**TURNS, turn_detection={"type": "server_vad"})
    assert not declared(**TURNS).HasField("turn_detection")


def test_the_provider_does_not_speak_first_where_a_handler_leads() -> None:
    detection = {"type": "server_vad", "idle_timeout_ms": 6000}

    assert declared(turn_detection=detection).turn_detection.idle_timeout_ms == 6000
    with pytest.raises(ValueError, match="idle_timeout_ms would let the provider speak"):
        declared(turn_detection=detection, has_handler=True)


def test_what_turn_detection_says_is_kept_and_nothing_is_added() -> None:
    detection: dict[str, Any] = {"type": "server_vad", "threshold": 0, "create_response": False}

    found = declared(turn_detection=detection)
    detection["threshold"] = 1

    assert found.turn_detection == pb.TurnDetection(
        type=pb.TURN_DETECTION_TYPE_SERVER_VAD, threshold=0, create_response=False
    )
    assert found.turn_detection.HasField("threshold")
    eager = declared(turn_detection={"type": "semantic_vad", "eagerness": "high"}).turn_detection
    assert (eager.type, eager.eagerness) == (pb.TURN_DETECTION_TYPE_SEMANTIC_VAD, pb.EAGERNESS_HIGH)


@pytest.mark.parametrize(
    ("option", "wrong"),
    [
        ("model", 1),
        ("voice", ["marin"]),
        ("instructions", b"x"),
        ("modalities", "audio"),
        ("modalities", ["video"]),
        ("modalities", ["audio", "audio"]),
        ("tools", "support.look_up"),
        ("tools", [""]),
        ("tools", ["a b.c"]),
        ("tools", [".c"]),
        ("tools", [lambda: 1]),
        ("tags", [1]),
        ("metadata", []),
        ("metadata", {"x": "x" * 17_000}),
        ("metadata", {"x": object()}),
        ("transcription", "whisper"),
        ("transcription", {"language": 1}),
        ("transcription", {"off": True}),
        ("data_channel", "allow"),
        ("idle_timeout", 0),
        ("max_duration", float("inf")),
        ("tool_timeout", True),
        ("connect_timeout", "10"),
        ("max_sessions", 0),
        ("max_sessions", 1.5),
        ("max_sessions", 1_000_001),
        ("tools", [f"tool_{n}" for n in range(129)]),
        ("instructions", "ä" * 33_000),
        ("tool_options", []),
        ("tool_options", {"not_a_tool": {}}),
        ("tool_options", {"look_up": {"retries": 1}}),
        ("tool_options", {"look_up": {"timeout": -1}}),
        ("tool_options", {"look_up": {"cancel_on_interrupt": "yes"}}),
    ],
)
def test_an_option_that_is_wrong_is_refused(option: str, wrong: Any) -> None:
    with pytest.raises(ValueError, match=option) as refusal:
        declared(**{"tools": ["look_up"], option: wrong})

    assert isinstance(refusal.value, AgentFieldError)


def test_the_sdk_knows_the_limits_that_the_control_plane_has() -> None:
    assert sdk.LIMITS == control_plane.LIMITS
    assert sdk.MAX_METADATA == control_plane.MAX_METADATA
    assert sdk.MAX_INSTRUCTIONS == control_plane.MAX_INSTRUCTIONS
    assert sdk.MAX_NAME == control_plane.MAX_NAME
    assert MAX_TOOLS == control_plane.MAX_TOOLS


@pytest.mark.parametrize(("limit", "most"), sdk.LIMITS.items())
def test_a_limit_has_a_most(limit: str, most: float) -> None:
    option: dict[str, Any] = {limit: most}

    assert getattr(declared(**option).limits, limit).ToSeconds() == most
    for wrong in (most + 0.001, 10**400, float("nan"), -1):
        with pytest.raises(InvalidDeclaration) as refusal:
            declared(**option | {limit: wrong})
        assert str(refusal.value) == (
            f"{limit} must be a positive number of seconds, at most {most:g}"
        )


def test_the_timeout_of_a_tool_has_the_most_of_all_tools() -> None:
    with pytest.raises(InvalidDeclaration, match=r"look_up\.timeout must be .* at most 3600"):
        declared(tools=["look_up"], tool_options={"look_up": {"timeout": 3601}})


def test_an_option_of_a_tool_that_does_not_exist_is_named() -> None:
    with pytest.raises(InvalidDeclaration) as refusal:
        declared(tools=["look_up"], tool_options={"look_up": {"timeout": 1, "retries": 1}})

    assert str(refusal.value) == (
        "tool_options.look_up has no option 'retries', only timeout and cancel_on_interrupt"
    )


@pytest.mark.parametrize("name", ["", "1st", "a b", "ä", "x" * 129, 5])
def test_a_name_that_the_contract_does_not_have_is_refused(name: Any) -> None:
    with pytest.raises(ValueError, match="session's name"):
        Agent("node").session(name, **OPENAI)


def test_an_option_that_does_not_exist_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="no option 'colour'"):
        Agent("node").session("voice", **OPENAI, colour="red")  # type: ignore[call-arg]


def test_everything_that_is_declared_travels() -> None:
    found = declared(
        model="gpt-realtime-2",
        modalities=["audio", "text"],
        voice="marin",
        instructions="Be kind.",
        tools=["support.look_up", "close"],
        tags=["support"],
        metadata={"team": "a"},
        transcription={"language": "de"},
        data_channel="refuse",
        idle_timeout=60,
        handler_grace=0.5,
        max_sessions=3,
        tool_options={"close": {"timeout": 2, "cancel_on_interrupt": True}},
        has_handler=True,
    )

    assert found.limits.idle_timeout.ToMilliseconds() == 60_000
    assert found.limits.handler_grace.ToMilliseconds() == 500
    assert found.limits.max_sessions == 3
    assert not found.limits.HasField("max_duration")
    assert found.tool_options[0].timeout.ToMilliseconds() == 2000
    found.tool_options[0].ClearField("timeout")
    found.ClearField("limits")
    assert found == pb.SessionDeclaration(
        name="voice",
        provider="openai",
        transport="webrtc",
        model="gpt-realtime-2",
        modalities=["audio", "text"],
        voice="marin",
        instructions="Be kind.",
        tools=["support.look_up", "close"],
        tags=["support"],
        metadata=b'{"team":"a"}',
        transcription=pb.Transcription(language="de"),
        data_channel=pb.DATA_CHANNEL_REFUSE,
        tool_options=[pb.ToolOptions(tool="close", cancel_on_interrupt=True)],
        has_handler=True,
    )


@pytest.mark.parametrize(("given", "off"), [(None, False), (True, False), (False, True)])
def test_speech_is_written_down_unless_that_is_declared_off(given: Any, off: bool) -> None:
    assert declared(transcription=given).transcription.off is off
