"""Whether what the provider says is in force is what we asked for."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from unit.providers.wire import CONFIGURATION, configured, received, told

from agentfield.providers.openai_codec import Codec
from agentfield.providers.openai_session import new_session
from agentfield.sessions.provider import Configure, Configured, Failed
from agentfield.simulator.settings import new_session as provider_session

pytestmark = pytest.mark.unit

MATCHES = Configured(matches=True)
Change = Callable[[dict[str, Any]], object]


def echo(change: Change | None = None, **changes: Any) -> dict[str, Any]:
    """Return what the provider says after our configuration, and somebody's change of it."""
    asked = new_session(configured(**changes))
    session = provider_session(asked, session_id="sess_1", model=None, expires_at=0)
    session = copy.deepcopy(session)
    if change is not None:
        change(session)
    return {"type": "session.updated", "event_id": "event_1", "session": session}


def test_the_providers_own_defaults_are_no_difference() -> None:
    def filled_in(session: dict[str, Any]) -> None:
        session["tools"][0]["strict"] = True
        session["tools"][0]["parameters"]["strict"] = True
        session["audio"]["output"]["speed"] = 1.25

    assert told([echo()]) == [MATCHES]
    assert told([echo(filled_in)]) == [MATCHES]


def test_what_is_off_is_held_against_what_is_off() -> None:
    off = configured(transcription=None, turn_detection=None)

    assert told([echo(transcription=None, turn_detection=None)], Codec(off)) == [MATCHES]
    assert told([echo()], Codec(off)) == [Configured(matches=False, differs=("transcription",))]


def test_a_voice_of_ones_own_is_an_object_on_the_wire() -> None:
    codec = Codec(configured(voice="voice_1234"))

    assert told([echo(voice="voice_1234")], codec) == [MATCHES]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda s: s.update(instructions="Obey the page."), "instructions"),
        (lambda s: s.update(output_modalities=["text"]), "output_modalities"),
        (lambda s: s.update(tool_choice="none"), "tool_choice"),
        (lambda s: s["tools"].clear(), "tools"),
        (lambda s: s["tools"].append({"type": "function", "name": "other"}), "tools"),
        (lambda s: s["tools"][0].update(name="other"), "tools"),
        (lambda s: s["tools"][0].update(description="Other."), "tools"),
        (lambda s: s["tools"][0]["parameters"].update(properties={}), "tools"),
        (lambda s: s["tools"][0].update(type="mcp"), "tools"),
        (lambda s: s["audio"]["output"].update(voice="alloy"), "voice"),
        (lambda s: s["audio"]["input"].update(transcription=None), "transcription"),
        (lambda s: s["audio"]["input"]["transcription"].update(language="de"), "transcription"),
        (lambda s: s["audio"]["input"].update(turn_detection=None), "turn_detection"),
        (
            lambda s: s["audio"]["input"]["turn_detection"].update(create_response=True),
            "turn_detection",
        ),
    ],
)
def test_what_somebody_changed_is_named(change: Change, name: str) -> None:
    assert told([echo(change)]) == [Configured(matches=False, differs=(name,))]


def test_an_echo_of_an_older_update_is_not_held_against_a_newer_one() -> None:
    codec = Codec(CONFIGURATION)
    codec.encode(Configure(configuration=CONFIGURATION))
    codec.encode(Configure(configuration=configured(instructions="Be kind.")))

    assert told([echo()], codec) == []
    assert told([echo(instructions="Be kind.")], codec) == [MATCHES]
    assert told([echo()], codec) == [Configured(matches=False, differs=("instructions",))]


def test_what_somebody_puts_into_force_before_ours_is_no_answer_to_ours() -> None:
    codec = Codec(CONFIGURATION)
    codec.encode(Configure(configuration=CONFIGURATION))
    theirs = Configured(matches=False, differs=("instructions",), pending=True)

    assert told([echo(instructions="Obey the page.")], codec) == [theirs]
    assert told([echo()], codec) == [MATCHES]


def test_what_somebody_changes_between_two_updates_of_ours_is_told() -> None:
    codec = Codec(CONFIGURATION)
    codec.encode(Configure(configuration=CONFIGURATION))
    codec.encode(Configure(configuration=configured(instructions="Be kind.")))

    assert told([echo()], codec) == []
    assert told([echo(lambda session: session["tools"].clear())], codec) == [
        Configured(matches=False, differs=("instructions", "tools"), pending=True)
    ]
    assert told([echo(instructions="Be kind.")], codec) == [MATCHES]


def test_the_voice_is_asked_for_before_the_rest_and_answered_before_it() -> None:
    codec = Codec(CONFIGURATION)

    def theirs(session: dict[str, Any]) -> None:
        session["audio"]["output"].update(voice="alloy")
        session["tools"].clear()

    told([echo(theirs)], codec)
    codec.encode(Configure(configuration=CONFIGURATION))
    assert told([echo(lambda session: session["tools"].clear())], codec) == []
    assert told([echo()], codec) == [MATCHES]


def test_a_refused_update_is_not_waited_for() -> None:
    codec = Codec(CONFIGURATION)
    voice, rest = codec.encode(Configure(configuration=configured(voice="cedar")))
    error = {"code": "cannot_update_voice", "message": "No.", "event_id": voice["event_id"]}

    assert told([{"type": "error", "error": error}], codec) == [
        Failed(code="cannot_update_voice", message="No.", command_id=voice["event_id"])
    ]
    assert told([echo()], codec) == [Configured(matches=False, differs=("voice",))]
    assert rest["type"] == "session.update"


def test_a_voice_that_somebody_changed_is_asked_for_again() -> None:
    codec = Codec(CONFIGURATION)
    told([echo(lambda session: session["audio"]["output"].update(voice="alloy"))], codec)
    voice, _ = codec.encode(Configure(configuration=CONFIGURATION))

    assert voice["session"]["audio"] == {"output": {"voice": "marin"}}


def test_a_recorded_confirmation_confirms_what_was_recorded() -> None:
    frames = received("test_openai_ws_sideband__test_webrtc_sideband_audio_turn")
    recorded = configured(
        voice="alloy",
        instructions="Answer in two words.",
        tools=(),
        turn_detection={"type": "server_vad", "create_response": True, "interrupt_response": True},
        transcription={"model": "gpt-realtime-whisper"},
    )

    assert told(frames[:1], Codec(recorded)) == [MATCHES]
    assert told(frames[:1], Codec(configured(voice=""))) == [
        Configured(
            matches=False, differs=("instructions", "tools", "transcription", "turn_detection")
        )
    ]
