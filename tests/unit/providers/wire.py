"""What the tests of the OpenAI wire share."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentfield.providers.openai_codec import Codec
from agentfield.sessions.provider import Configuration, ProviderEvent, ToolSpec
from agentfield.simulator import Entry
from agentfield.simulator.conformance import violations

BESIDE = Path(__file__).parents[4] / "shared" / "cassettes"
CASSETTES = Path(os.environ.get("AGENTFIELD_CASSETTES", BESIDE))

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CONFIGURATION = Configuration(
    model="gpt-realtime-2",
    voice="marin",
    instructions="Be brief.",
    modalities=("audio",),
    tools=(ToolSpec(name="weather", description="Looks it up.", input_schema=SCHEMA),),
    turn_detection={"type": "server_vad", "create_response": False, "silence_duration_ms": 200},
    transcription={"model": "gpt-4o-mini-transcribe", "language": "en"},
)


def configured(**changes: Any) -> Configuration:
    return replace(CONFIGURATION, **changes)


def recording(name: str) -> list[dict[str, Any]]:
    """Return the interactions of a recording, or skip the test where there are none."""
    file = CASSETTES / f"{name}.yaml"
    if not file.exists():
        pytest.skip(f"no recorded traffic at {file}; set AGENTFIELD_CASSETTES")
    interactions: list[dict[str, Any]] = yaml.safe_load(file.read_text())["interactions"]
    return interactions


def received(name: str) -> list[dict[str, Any]]:
    return [each["data"] for each in recording(name) if each["direction"] == "received"]


def told(frames: Iterable[dict[str, Any]], codec: Codec | None = None) -> list[ProviderEvent]:
    """Decode frames one after the other."""
    codec = codec or Codec(CONFIGURATION)
    return [event for frame in frames for event in codec.decode(frame)]


def faults(frames: Iterable[dict[str, Any]]) -> list[str]:
    """Hold frames of ours against the official client's models."""
    return violations(
        Entry(
            number=number,
            at=0.0,
            direction="received",
            connection="sideband-1",
            call_id=None,
            body=frame,
        )
        for number, frame in enumerate(frames)
    )
