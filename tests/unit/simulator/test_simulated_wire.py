"""The simulated wire beside the recorded one, where the recordings are at hand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from unit.simulator.stage import Stage, kinds

from agentfield.simulator import Call, Heard, Reply, Script

pytestmark = pytest.mark.unit

BESIDE = Path(__file__).parents[4] / "shared" / "cassettes"
CASSETTES = Path(os.environ.get("AGENTFIELD_CASSETTES", BESIDE))
TRANSCRIPT = "conversation.item.input_audio_transcription."


def recorded(name: str, direction: str) -> list[dict[str, Any]]:
    file = CASSETTES / f"{name}.yaml"
    if not file.exists():
        pytest.skip(f"no recorded traffic at {file}; set AGENTFIELD_CASSETTES")
    frames = yaml.safe_load(file.read_text())["interactions"]
    return [frame["data"] for frame in frames if frame["direction"] == direction]


def shape(value: Any, path: str = "") -> Iterator[str]:
    """Name every field of an event; the schemas of functions are the client's."""
    if isinstance(value, dict) and not path.endswith("parameters."):
        for key, each in value.items():
            yield f"{path}{key}"
            yield from shape(each, f"{path}{key}.")
    elif isinstance(value, list):
        for each in value:
            yield from shape(each, path)


def shapes(events: list[dict[str, Any]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for event in events:
        found.setdefault(event["type"], set()).update(shape(event))
    return found


def replayed(name: str, stage: Stage) -> None:
    """Send what the recorded client sent, each thing when the model has finished with the last."""
    call_ids: list[str] = []
    for event in recorded(name, "sent"):
        fields = {key: value for key, value in event.items() if key != "type"}
        if fields.get("item", {}).get("type") == "function_call_output":
            fields["item"] = fields["item"] | {"call_id": call_ids[0]}
        stage.send(event["type"], **fields)
        stage.wait(60_000)
        done = "response.function_call_arguments.done"
        call_ids = [each["call_id"] for each in stage.events if each["type"] == done]


def test_a_sideband_sees_a_spoken_turn_in_the_recorded_order_and_shape() -> None:
    name = "test_openai_ws_sideband__test_webrtc_sideband_audio_turn"
    expected = recorded(name, "received")
    stage = Stage(Script(replies=[Reply(says="Hello there .", speaks_ms=900)]))
    replayed(name, stage)
    assert kinds(stage.events) == kinds(expected)
    assert shapes(stage.events) == shapes(expected)


def test_a_tool_round_has_the_recorded_order_and_shape() -> None:
    name = "test_openai_ws__test_tool_call_round"
    greeting, *expected = recorded(name, "received")
    stage = Stage(
        Script(
            replies=[
                Reply(calls=[Call(name="get_weather", arguments={"city": "London"})]),
                Reply(says="It is foggy."),
            ]
        ),
        plays_audio=False,
    )
    assert set(shape(stage.conversation.created())) == set(shape(greeting))
    replayed(name, stage)
    # The real provider does not always send its rate limits.
    seldom = "rate_limits.updated"
    ours = [event for event in stage.events if event["type"] != seldom]
    theirs = [event for event in expected if event["type"] != seldom]
    assert kinds(ours) == kinds(theirs)
    assert shapes(ours) == shapes(theirs)


def test_a_spoken_turn_over_a_websocket_has_the_recorded_order_and_shape() -> None:
    name = "test_openai_ws__test_audio_in_server_vad_turn"
    _, *expected = recorded(name, "received")
    update = recorded(name, "sent")[0]
    stage = Stage(Script(replies=[Reply(says="Hello to you.")]), plays_audio=False)
    stage.send("session.update", session=update["session"])
    stage.speak(Heard(text="Hello, my name is Marcelo."))
    stage.wait(60_000)
    # Transcripts and audio come whenever they are ready.
    moving = (TRANSCRIPT, "response.output_audio.delta", "rate_limits.")

    def steady(events: list[dict[str, Any]]) -> list[str]:
        return kinds([event for event in events if not event["type"].startswith(moving)])

    assert steady(stage.events) == steady(expected)
    ours, theirs = shapes(stage.events), shapes(expected)
    assert {kind: ours[kind] for kind in theirs} == theirs
