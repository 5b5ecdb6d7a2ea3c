"""What OpenAI Realtime tells."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.realtime import RealtimeServerEvent
from unit.providers.wire import received, told

from agentfield.sessions.provider import (
    AgentDelta,
    AgentSaid,
    Configured,
    Failed,
    Heard,
    HeardDelta,
    HeardFailed,
    ItemAdded,
    ItemDeleted,
    PlaybackCleared,
    PlaybackStarted,
    PlaybackStopped,
    ProviderEvent,
    SpeechBegun,
    SpeechDone,
    SpeechStarted,
    SpeechStopped,
    ToolCalled,
    Truncated,
    TurnCommitted,
)

pytestmark = pytest.mark.unit

KINDS = [
    str(get_args(model.model_fields["type"].annotation)[0])
    for model in get_args(get_args(RealtimeServerEvent)[0])
]
HEARD = "conversation.item.input_audio_transcription"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
ODD = {"tools": [{"name": []}], "audio": {"input": [], "output": {"voice": {"id": 1}}}}
FIELDS = ("item", "item_id", "response", "response_id", "error", "session", "content", "output")


@pytest.mark.parametrize(
    ("frame", "event"),
    [
        (
            {"type": "input_audio_buffer.speech_started", "item_id": "i", "audio_start_ms": 80},
            SpeechStarted(item_id="i", at_ms=80),
        ),
        (
            {"type": "input_audio_buffer.speech_stopped", "item_id": "i", "audio_end_ms": 900},
            SpeechStopped(item_id="i", at_ms=900),
        ),
        (
            {"type": "input_audio_buffer.committed", "item_id": "i", "previous_item_id": "h"},
            TurnCommitted(item_id="i", previous_item_id="h"),
        ),
        (
            {"type": "input_audio_buffer.committed", "item_id": "i", "previous_item_id": None},
            TurnCommitted(item_id="i"),
        ),
        (
            {"type": f"{HEARD}.delta", "item_id": "i", "delta": "Hel"},
            HeardDelta(item_id="i", delta="Hel"),
        ),
        (
            {"type": f"{HEARD}.completed", "item_id": "i", "transcript": "Hello."},
            Heard(item_id="i", text="Hello."),
        ),
        (
            {"type": f"{HEARD}.failed", "item_id": "i", "error": {"type": "t", "code": None}},
            HeardFailed(item_id="i", code="t"),
        ),
        (
            {
                "type": "conversation.item.added",
                "previous_item_id": "h",
                "item": {
                    "id": "i",
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "Hi."}],
                },
            },
            ItemAdded(
                item_id="i",
                previous_item_id="h",
                type="message",
                role="user",
                text="Hi.",
                whole=True,
            ),
        ),
        (
            {
                "type": "conversation.item.added",
                "previous_item_id": None,
                "item": {
                    "id": "i",
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_audio", "transcript": None}],
                },
            },
            ItemAdded(item_id="i", previous_item_id=None, type="message", role="user", whole=True),
        ),
        (
            {
                "type": "conversation.item.added",
                "previous_item_id": None,
                "item": {"id": "i", "type": "function_call_output", "call_id": "c", "output": "x"},
            },
            ItemAdded(item_id="i", previous_item_id=None, type="function_call_output", call_id="c"),
        ),
        (
            # As recorded of the model's own.
            {
                "type": "conversation.item.added",
                "item": {
                    "id": "i",
                    "type": "function_call",
                    "status": "in_progress",
                    "call_id": "c",
                    "arguments": "",
                },
            },
            ItemAdded(item_id="i", previous_item_id=None, type="function_call", call_id="c"),
        ),
        (
            {
                "type": "conversation.item.added",
                "item": {"id": "i", "type": "function_call", "call_id": "c", "arguments": "{}"},
            },
            ItemAdded(
                item_id="i",
                previous_item_id=None,
                type="function_call",
                call_id="c",
                whole=True,
            ),
        ),
        (
            {
                "type": "conversation.item.added",
                "item": {"id": "i", "type": "message", "role": "assistant", "status": "completed"},
            },
            ItemAdded(
                item_id="i", previous_item_id=None, type="message", role="assistant", whole=True
            ),
        ),
        (
            {"type": "conversation.item.deleted", "item_id": "i"},
            ItemDeleted(item_id="i"),
        ),
        (
            {
                "type": "response.created",
                "response": {"id": "r", "metadata": {"agentfield_command": "cmd_1"}},
            },
            SpeechBegun(response_id="r", command_id="cmd_1"),
        ),
        (
            {"type": "response.created", "response": {"id": "r", "metadata": None}},
            SpeechBegun(response_id="r"),
        ),
        (
            {
                "type": "response.output_audio_transcript.delta",
                "response_id": "r",
                "item_id": "i",
                "delta": "Hel",
                "obfuscation": "xyz",
            },
            AgentDelta(response_id="r", item_id="i", delta="Hel"),
        ),
        (
            {
                "type": "response.output_text.done",
                "response_id": "r",
                "item_id": "i",
                "text": "Hello.",
            },
            AgentSaid(response_id="r", item_id="i", text="Hello."),
        ),
        (
            {"type": "output_audio_buffer.started", "response_id": "r"},
            PlaybackStarted(response_id="r"),
        ),
        (
            {"type": "output_audio_buffer.stopped", "response_id": "r"},
            PlaybackStopped(response_id="r"),
        ),
        (
            {"type": "output_audio_buffer.cleared", "response_id": "r"},
            PlaybackCleared(response_id="r"),
        ),
        (
            {"type": "conversation.item.truncated", "item_id": "i", "audio_end_ms": 1200},
            Truncated(item_id="i", audio_ms=1200),
        ),
    ],
)
def test_a_frame_tells_one_thing(frame: dict[str, Any], event: ProviderEvent) -> None:
    assert told([frame]) == [event]


@pytest.mark.parametrize(
    ("code", "failed"),
    [
        ("invalid_value", Failed(code="invalid_value", message="m", command_id="cmd_1")),
        (
            "conversation_already_has_active_response",
            Failed(
                code="conversation_already_has_active_response",
                message="m",
                command_id="cmd_1",
                busy=True,
            ),
        ),
        (
            "session_expired",
            Failed(
                code="session_expired", message="m", command_id="cmd_1", fatal=True, expired=True
            ),
        ),
        (None, Failed(code="invalid_request_error", message="m", command_id="cmd_1")),
    ],
)
def test_an_error_names_the_command_it_is_about(code: str | None, failed: Failed) -> None:
    error = {
        "type": "invalid_request_error",
        "code": code,
        "message": "m",
        "param": None,
        "event_id": "cmd_1",
    }

    assert told([{"type": "error", "event_id": "event_1", "error": error}]) == [failed]


def test_a_cancellation_that_came_too_late_is_no_error() -> None:
    error = {"code": "response_cancel_not_active", "message": "m", "event_id": "cancel"}

    assert told([{"type": "error", "error": error}]) == []


@pytest.mark.parametrize(
    "frame",
    [
        {},
        {"type": None},
        {"type": "rate_limits.updated", "rate_limits": []},
        {"type": "conversation.item.created", "item": {}},
        {"type": "something.new"},
        {"type": "session.created", "session": {}},
    ],
)
def test_what_we_do_not_know_or_need_is_nothing(frame: dict[str, Any]) -> None:
    assert told([frame]) == []


@given(
    frame=st.builds(
        lambda kind, fields, more: {**fields, **more, "type": kind},
        st.sampled_from(KINDS),
        st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON)),
        st.dictionaries(st.text(max_size=5), JSON, max_size=3),
    )
)
def test_no_frame_breaks_the_link(frame: dict[str, Any]) -> None:
    told([frame])


def test_no_session_breaks_the_link() -> None:
    assert told([{"type": "session.updated", "session": ODD}]) == [
        Configured(matches=False, differs=("tools", "voice"))
    ]


def test_the_end_of_a_response_says_how_it_went() -> None:
    frame = {
        "type": "response.done",
        "response": {
            "id": "r",
            "status": "failed",
            "status_details": {"type": "failed", "error": {"code": "overloaded", "message": "m"}},
            "metadata": {"agentfield_command": "cmd_1"},
            "output": [],
            "usage": None,
        },
    }

    assert told([frame]) == [
        SpeechDone(
            response_id="r",
            command_id="cmd_1",
            status="failed",
            error_code="overloaded",
            error_message="m",
        )
    ]


def test_arguments_that_were_cut_short_are_no_call() -> None:
    item = {"id": "i", "type": "function_call", "call_id": "c", "name": "weather"}
    cut = {**item, "status": "incomplete", "arguments": '{"ci'}
    place = {"response_id": "r", "item_id": "i"}
    frames: list[dict[str, Any]] = [
        {"type": "response.function_call_arguments.done", **place, "arguments": '{"ci'},
        {"type": "response.output_item.done", "response_id": "r", "item": cut},
        {
            "type": "response.done",
            "response": {"id": "r", "status": "cancelled", "output": [cut]},
        },
    ]

    assert [type(event) for event in told(frames)] == [SpeechDone]


def test_who_comes_late_learns_at_the_end_what_was_missed() -> None:
    call = {"id": "i", "type": "function_call", "call_id": "c", "name": "n", "arguments": "{}"}
    spoken = {"type": "output_audio", "transcript": "One moment."}
    message = {"id": "m", "type": "message", "role": "assistant", "content": [spoken]}
    frame = {
        "type": "response.done",
        "response": {"id": "r", "status": "completed", "output": [message, call]},
    }

    called, spoke, ended = told([frame])
    assert called == ToolCalled(response_id="r", item_id="i", call_id="c", name="n", arguments="{}")
    assert spoke == AgentSaid(response_id="r", item_id="m", text="One moment.")
    assert isinstance(ended, SpeechDone)
    assert ended.has_audio
    assert ended.item_ids == ("m",)


@pytest.mark.parametrize(
    "name",
    [
        "test_openai_ws__test_audio_in_server_vad_turn",
        "test_openai_ws__test_tool_call_round",
        "test_openai_ws_sideband__test_webrtc_sideband_audio_turn",
    ],
)
def test_what_clients_put_in_is_told_from_what_the_model_makes(name: str) -> None:
    added = [event for event in told(received(name)) if isinstance(event, ItemAdded)]

    assert added
    for event in added:
        is_the_models = event.type == "function_call" or event.role == "assistant"
        assert event.whole or is_the_models or event.type == "function_call_output"
        assert not (event.whole and is_the_models)
