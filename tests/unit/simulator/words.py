"""What is said to the simulated model."""

from __future__ import annotations

__all__ = ["COMMITTED", "SPOKEN", "TRANSCRIBED", "conforms"]

from typing import Any

from unit.simulator.stage import Stage

from agentfield.simulator import Entry
from agentfield.simulator.conformance import violations

TRANSCRIBED: dict[str, Any] = {
    "audio": {"input": {"transcription": {"model": "gpt-realtime-whisper"}}}
}
COMMITTED = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
]


SPOKEN = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "output_audio_buffer.started",
    "response.output_audio_transcript.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
    "output_audio_buffer.stopped",
]


def conforms(stage: Stage) -> bool:
    entries = [
        Entry(number=n, at=0, direction="sent", connection="unit", call_id=None, body=event)
        for n, event in enumerate(stage.events)
    ]
    assert violations(entries) == []
    return True
