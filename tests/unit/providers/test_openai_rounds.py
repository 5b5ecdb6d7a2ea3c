"""Whole rounds of OpenAI's events, in every order and as they were recorded."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from unit.providers.wire import CONFIGURATION, received, told
from unit.simulator.stage import Stage

from agentfield.providers.openai_codec import Codec
from agentfield.providers.openai_session import new_session
from agentfield.sessions.provider import (
    AgentDelta,
    AgentSaid,
    CancelSpeech,
    Configured,
    CreateSpeech,
    Failed,
    Heard,
    HeardDelta,
    PlaybackCleared,
    PlaybackStarted,
    PlaybackStopped,
    ProviderEvent,
    SpeechBegun,
    SpeechDone,
    ToolCalled,
    Truncated,
    TurnCommitted,
)
from agentfield.simulator import Call, Reply, Script
from agentfield.simulator import Heard as HeardBySimulator
from agentfield.simulator.orders import shuffled

pytestmark = pytest.mark.unit


def done(events: list[ProviderEvent]) -> SpeechDone:
    (event,) = [event for event in events if isinstance(event, SpeechDone)]
    return event


def only(events: list[ProviderEvent], *kinds: type) -> list[ProviderEvent]:
    return [event for event in events if isinstance(event, kinds)]


def kinds(events: Sequence[ProviderEvent]) -> list[str]:
    """Return the kinds of events, neighbours of one kind once."""
    names = [type(event).__name__ for event in events]
    return [name for n, name in enumerate(names) if n == 0 or names[n - 1] != name]


def staged(script: Script) -> Stage:
    session = {key: value for key, value in new_session(CONFIGURATION).items() if key != "type"}
    return Stage(script, **session)


def sent(stage: Stage, codec: Codec, command: CreateSpeech | CancelSpeech) -> None:
    for frame in codec.encode(command):
        stage.send(**{"kind": frame["type"], **{k: v for k, v in frame.items() if k != "type"}})


@pytest.mark.parametrize("seed", range(20))
def test_a_round_reads_the_same_in_every_order_of_its_frames(seed: int) -> None:
    calls = [Call(name="a"), Call(name="b", arguments="{oops")]
    stage = staged(Script(replies=[Reply(says="One moment please.", calls=calls, word_ms=0)]))
    codec = Codec(CONFIGURATION)
    stage.speak(HeardBySimulator(text="Weather?"))
    sent(stage, codec, CreateSpeech(command_id="cmd_1"))
    stage.wait(60_000)
    frames = shuffled(stage.events, random.Random(seed))  # noqa: S311 - shuffles events
    events = told(frames, codec)

    assert {(event.name, event.arguments) for event in events if isinstance(event, ToolCalled)} == {
        ("a", "{}"),
        ("b", "{oops"),
    }
    assert len(only(events, ToolCalled)) == 2
    (spoke,) = [event for event in events if isinstance(event, AgentSaid)]
    assert spoke.text == "One moment please."
    ended = done(events)
    assert (ended.status, ended.command_id, ended.has_audio) == ("completed", "cmd_1", True)
    assert ended.item_ids == (spoke.item_id,)
    assert ended.usage
    assert events.index(ended) > max(map(events.index, only(events, ToolCalled, AgentSaid)))
    assert {type(event) for event in events} >= {PlaybackStarted, PlaybackStopped, Heard}


@pytest.mark.parametrize("seed", range(10))
def test_an_interruption_reads_the_same_in_every_order_of_its_frames(seed: int) -> None:
    stage = staged(Script(replies=[Reply(says="one two three four five six", word_ms=100)]))
    codec = Codec(CONFIGURATION)
    sent(stage, codec, CreateSpeech(command_id="cmd_1"))
    before = stage.wait(450)
    frames = shuffled(stage.interrupt(), random.Random(seed))  # noqa: S311 - shuffles events
    told(before, codec)
    events = told(frames, codec)

    assert len(only(events, PlaybackCleared)) == len(only(events, Truncated)) == 1
    ended = done(events)
    assert (ended.status, ended.reason, ended.has_audio) == ("cancelled", "turn_detected", True)


def test_what_was_cancelled_before_it_was_heard_has_no_audio() -> None:
    stage = staged(Script(replies=[Reply(says="one two three four five six", word_ms=100)]))
    codec = Codec(CONFIGURATION)
    sent(stage, codec, CreateSpeech(command_id="cmd_1"))
    stage.wait(150)
    (begun,) = only(told(stage.events, codec), SpeechBegun)
    assert isinstance(begun, SpeechBegun)
    before = len(stage.events)
    sent(stage, codec, CancelSpeech(response_id=begun.response_id))
    sent(stage, codec, CancelSpeech(response_id=begun.response_id))
    events = told(stage.events[before:], codec)

    ended = done(events)
    assert (ended.status, ended.reason) == ("cancelled", "client_cancelled")
    assert not ended.has_audio
    assert only(events, Failed) == []


def test_a_recorded_spoken_turn_is_told_as_it_happened() -> None:
    events = told(received("test_openai_ws_sideband__test_webrtc_sideband_audio_turn"))

    assert kinds(events) == [
        "Configured",
        "ItemAdded",
        "SpeechBegun",
        "ItemAdded",
        "AgentDelta",
        "PlaybackStarted",
        "AgentSaid",
        "SpeechDone",
        "PlaybackStopped",
    ]
    (spoke,) = [event for event in events if isinstance(event, AgentSaid)]
    assert spoke.text == "".join(e.delta for e in events if isinstance(e, AgentDelta))
    ended = done(events)
    assert ended.status == "completed"
    assert ended.has_audio
    assert ended.item_ids == (spoke.item_id,)
    assert (ended.usage or {})["total_tokens"] > 0


@pytest.mark.parametrize(
    "name", ["test_openai_ws__test_tool_call_round", "test_azure_ws__test_tool_call_round"]
)
def test_a_recorded_tool_round_is_told_as_it_happened(name: str) -> None:
    events = told(received(name))

    assert kinds(events) == [
        "Configured",
        "ItemAdded",
        "SpeechBegun",
        "ItemAdded",
        "ToolCalled",
        "SpeechDone",
        "ItemAdded",
        "SpeechBegun",
        "ItemAdded",
        "AgentDelta",
        "AgentSaid",
        "SpeechDone",
    ]
    (called,) = [event for event in events if isinstance(event, ToolCalled)]
    assert called.name == "get_weather"
    first, second = [event for event in events if isinstance(event, SpeechDone)]
    assert first.item_ids == ()
    assert len(second.item_ids) == 1
    assert not second.has_audio


def test_a_recorded_turn_that_the_provider_detected_is_told_as_it_happened() -> None:
    events = told(received("test_openai_ws__test_audio_in_server_vad_turn"))
    steady = [event for event in events if not isinstance(event, HeardDelta | AgentDelta | Heard)]

    assert kinds(steady) == [
        "Configured",
        "SpeechStarted",
        "SpeechStopped",
        "TurnCommitted",
        "ItemAdded",
        "SpeechBegun",
        "ItemAdded",
        "AgentSaid",
        "SpeechDone",
    ]
    (heard,) = [event for event in events if isinstance(event, Heard)]
    (committed,) = [event for event in events if isinstance(event, TurnCommitted)]
    assert heard.text
    assert heard.item_id == committed.item_id
    assert not any(isinstance(event, Configured) and event.matches for event in events)
