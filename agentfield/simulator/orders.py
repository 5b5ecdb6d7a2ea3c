"""Other orders in which the events of one moment may arrive."""

from __future__ import annotations

__all__ = ["shuffled"]

import random
from collections.abc import Sequence

from agentfield.simulator.effects import Json

_CONTENT_ENDS = (
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.output_text.done",
    "response.function_call_arguments.done",
    "response.content_part.done",
)
_ITEM_ENDS = ("conversation.item.done", "response.output_item.done")
_ITEM_BEGINS = ("conversation.item.added", "response.output_item.added")
_PLAYBACK = ("output_audio_buffer.", "conversation.item.truncated")
_CAUSES = ("session.", "error", "input_audio_buffer.", "response.created")


def shuffled(events: Sequence[Json], random_source: random.Random) -> list[Json]:
    """Return the events in a random order in which causes still precede what they cause."""
    left = list(events)
    ordered: list[Json] = []
    while left:
        free = [
            event
            for place, event in enumerate(left)
            if not any(_must_precede(earlier, event) for earlier in left[:place])
        ]
        chosen = random_source.choice(free)
        left.remove(chosen)
        ordered.append(chosen)
    return ordered


def _must_precede(first: Json, second: Json) -> bool:
    kind, next_kind = str(first["type"]), str(second["type"])
    if kind == next_kind or kind.startswith(_CAUSES):
        return True
    response, item = _response_of(first), _item_of(first)
    if next_kind == "response.done":
        about = response == _response_of(second) or item in _output_of(second)
        return about and not kind.startswith(_PLAYBACK)
    if kind == "response.done":
        return next_kind == "response.created"
    if kind.startswith("output_audio_buffer.") and next_kind.startswith("output_audio_buffer."):
        return response == _response_of(second)
    if item is None or item != _item_of(second):
        return False
    return _stage(kind) < _stage(next_kind)


def _stage(kind: str) -> int:
    if kind == "conversation.item.truncated":
        return 1
    if kind in _ITEM_BEGINS:
        return 0
    if kind in _CONTENT_ENDS:
        return 3
    return 4 if kind in _ITEM_ENDS else 2 if kind.endswith(".delta") else 1


def _output_of(event: Json) -> list[object]:
    return [item["id"] for item in event["response"]["output"]]


def _response_of(event: Json) -> object:
    return event.get("response_id") or event.get("response", {}).get("id")


def _item_of(event: Json) -> object:
    return event.get("item_id") or event.get("item", {}).get("id")
