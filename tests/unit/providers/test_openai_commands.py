"""What we tell OpenAI Realtime."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.realtime import RealtimeSessionCreateRequest
from unit.providers.wire import CONFIGURATION, configured, faults, recording

from agentfield.providers.openai_codec import Codec
from agentfield.providers.openai_session import new_session, offer_body
from agentfield.sessions.provider import (
    CancelSpeech,
    Command,
    Configure,
    CreateSpeech,
    DeleteItem,
    Failed,
    ItemMissing,
    Probe,
    RetrieveItem,
    SendToolOutput,
)
from agentfield.simulator import Script
from agentfield.simulator.prompter import Prompter

pytestmark = pytest.mark.unit


def encoded(command: Command) -> list[dict[str, Any]]:
    return Codec(CONFIGURATION).encode(command)


def said(frame: dict[str, Any]) -> str:
    text = frame["response"]["input"][0]["content"][0]["text"]
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize(
    "command",
    [
        Configure(configuration=CONFIGURATION),
        Configure(configuration=configured(voice="voice_1234", modalities=("text",))),
        Configure(configuration=configured(tools=(), turn_detection=None, transcription=None)),
        Configure(
            configuration=configured(turn_detection={"type": "semantic_vad", "eagerness": "low"})
        ),
        CreateSpeech(command_id="cmd_1"),
        CreateSpeech(command_id="cmd_1", instructions="Be kind."),
        CreateSpeech(command_id="cmd_1", say="Hello."),
        CancelSpeech(response_id="resp_1"),
        CancelSpeech(response_id=None),
        SendToolOutput(item_id="item_1", call_id="call_1", output="{}"),
        DeleteItem(item_id="item_1"),
        Probe(item_id="item_1", text="."),
        RetrieveItem(item_id="item_1"),
    ],
)
def test_every_frame_is_one_that_the_official_client_could_send(command: Command) -> None:
    frames = encoded(command)

    assert frames
    assert faults(frames) == []
    assert all(frame["event_id"] for frame in frames)


def test_the_session_of_an_offer_has_everything() -> None:
    session = new_session(CONFIGURATION)

    assert RealtimeSessionCreateRequest.model_validate(session).model_extra == {}
    assert session == {
        "type": "realtime",
        "model": "gpt-realtime-2",
        "instructions": "Be brief.",
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "transcription": {"model": "gpt-4o-mini-transcribe", "language": "en"},
                "turn_detection": {
                    "type": "server_vad",
                    "create_response": False,
                    "silence_duration_ms": 200,
                },
            },
            "output": {"voice": "marin"},
        },
        "tools": [
            {
                "type": "function",
                "name": "weather",
                "description": "Looks it up.",
                "parameters": CONFIGURATION.tools[0].input_schema,
            }
        ],
        "tool_choice": "auto",
    }


def test_what_cannot_change_is_in_no_update() -> None:
    (frame,) = encoded(Configure(configuration=configured(instructions="Be kind.")))

    assert frame["type"] == "session.update"
    assert frame["session"]["instructions"] == "Be kind."
    assert "model" not in frame["session"]
    assert "output" not in frame["session"]["audio"]


def test_another_voice_is_asked_for_on_its_own_because_it_may_be_refused() -> None:
    codec = Codec(CONFIGURATION)
    first, second = codec.encode(Configure(configuration=configured(voice="cedar")))

    assert first["session"] == {"type": "realtime", "audio": {"output": {"voice": "cedar"}}}
    assert "output" not in second["session"]["audio"]
    assert first["event_id"] != second["event_id"]


def test_no_transcription_is_said_and_no_turn_detection_is_left_to_the_provider() -> None:
    (frame,) = encoded(Configure(configuration=configured(transcription=None, turn_detection=None)))

    assert frame["session"]["audio"] == {"input": {"transcription": None}}


def test_text_alone_is_one_modality() -> None:
    assert new_session(configured(modalities=("text",)))["output_modalities"] == ["text"]
    assert new_session(configured(modalities=("text", "audio")))["output_modalities"] == ["audio"]


def test_a_text_is_said_in_the_conversation_without_tools_and_can_be_told_apart() -> None:
    (frame,) = encoded(CreateSpeech(command_id="cmd_1", say="Your order ships today."))

    assert frame == {
        "type": "response.create",
        "event_id": "cmd_1",
        "response": {
            "metadata": {"agentfield_command": "cmd_1"},
            "tool_choice": "none",
            "input": [
                {
                    "type": "message",
                    "role": "system",
                    "content": [
                        {
                            "type": "input_text",
                            "text": "Say exactly this, word for word, and nothing else: "
                            '"Your order ships today."',
                        }
                    ],
                }
            ],
        },
    }


@pytest.mark.parametrize(
    "text",
    [
        "Hello.",
        'She said "no" and left.',
        '"Quoted from end to end."',
        "“Curled.”",
        "One line.\nAnother one.",
        'An odd " mark.',
        "Back\\slash and {braces}.",
        "Grüße 👋",
    ],
)
def test_whatever_is_to_be_said_survives_its_quotation(text: str) -> None:
    (frame,) = encoded(CreateSpeech(command_id="cmd_1", say=text))
    reply = Prompter(Script).reply(said(frame), requested=True)

    assert reply.says == text
    clear = not set(text) & set('"“”')
    assert ("from the first to the last quotation mark" in said(frame)) is not clear


def test_the_model_answers_by_itself_with_its_tools() -> None:
    (frame,) = encoded(CreateSpeech(command_id="cmd_1", instructions="Be kind."))

    assert frame["response"] == {
        "metadata": {"agentfield_command": "cmd_1"},
        "instructions": "Be kind.",
    }


def test_a_response_is_cancelled_before_its_audio_is_dropped() -> None:
    cancel, clear = encoded(CancelSpeech(response_id="resp_1"))

    assert (cancel["type"], cancel["response_id"]) == ("response.cancel", "resp_1")
    assert clear["type"] == "output_audio_buffer.clear"
    assert [frame["type"] for frame in encoded(CancelSpeech(response_id=None))] == [clear["type"]]


def test_a_tools_output_has_our_id_so_that_an_error_can_be_told_from_others() -> None:
    (frame,) = encoded(SendToolOutput(item_id="item_1", call_id="call_1", output="rain"))

    assert frame["event_id"] == frame["item"]["id"] == "item_1"
    assert frame["item"] | {"id": ""} == {
        "id": "",
        "type": "function_call_output",
        "call_id": "call_1",
        "output": "rain",
    }


def test_an_offer_is_two_parts_without_names_and_the_sdp_as_it_came() -> None:
    sdp = b"v=0\r\ns=\xff\r\n"

    assert offer_body(sdp, {"type": "realtime"}, "b") == (
        b'--b\r\nContent-Disposition: form-data; name="sdp"\r\n'
        b"Content-Type: application/sdp\r\n\r\nv=0\r\ns=\xff\r\n\r\n"
        b'--b\r\nContent-Disposition: form-data; name="session"\r\n'
        b'Content-Type: application/json\r\n\r\n{"type": "realtime"}\r\n--b--\r\n'
    )


def test_an_offer_has_the_recorded_shape_to_the_byte() -> None:
    (exchange,) = recording("test_webrtc__test_answer_webrtc_offer")[:1]
    body = exchange["request"]["body"].encode()
    (content_type,) = exchange["request"]["headers"]["content-type"]
    boundary = content_type.partition("boundary=")[2]
    _, sdp, session, _ = body.split(f"--{boundary}".encode())
    sent_sdp = sdp.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
    sent_session = json.loads(session.partition(b"\r\n\r\n")[2])

    assert offer_body(sent_sdp, sent_session, boundary) == body
    assert new_session(CONFIGURATION).keys() >= sent_session.keys()


@pytest.mark.parametrize("look", [Probe(item_id="i", text="."), RetrieveItem(item_id="i")])
def test_an_error_about_an_item_that_is_looked_for_says_once_that_it_is_missing(
    look: Probe | RetrieveItem,
) -> None:
    codec = Codec(CONFIGURATION)
    (frame,) = codec.encode(look)
    error = {"type": "error", "error": {"code": "no", "event_id": frame["event_id"]}}
    assert codec.decode(error) == [ItemMissing(item_id="i")]
    # The same id in an error about something else that is done with the item.
    codec.encode(SendToolOutput(item_id="i", call_id="call_1", output="{}"))
    assert codec.decode(error) == [Failed(code="no", message="", command_id="i")]
