"""Holds the journal against the typed models of the official client.

Needs the ``openai`` package, which the simulator itself does without.
"""

from __future__ import annotations

__all__ = ["violations"]

from collections.abc import Iterable, Iterator
from typing import Any

from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from pydantic import TypeAdapter, ValidationError

from agentfield.simulator.journal import Entry

_CLIENT: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)
_SERVER: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
_UNTYPED = {"obfuscation", "session.object", "session.id", "session.expires_at"}
"""What the real provider sends although the models do not know it."""


def violations(entries: Iterable[Entry]) -> list[str]:
    """Return what is wrong with the frames among the entries; HTTP is passed over."""
    return [
        f"{entry.number} {entry.direction} {entry.type}: {fault}"
        for entry in entries
        if not entry.connection.startswith("http")
        for fault in _faults(entry)
    ]


def _faults(entry: Entry) -> Iterator[str]:
    received = entry.direction == "received"
    try:
        event = (_CLIENT if received else _SERVER).validate_python(entry.body)
    except ValidationError as error:
        # The error would repeat what people said; where it is and what kind are enough.
        yield from (f"{each['loc']}: {each['type']}" for each in error.errors()[:3])
        return
    yield from (name for name in _extras(event, "") if name not in _UNTYPED)


def _extras(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _extras(each, path)
    elif hasattr(value, "model_extra"):
        yield from (f"{path}{name}" for name in value.model_extra or {})
        for name in type(value).model_fields:
            yield from _extras(getattr(value, name), f"{path}{name}.")
