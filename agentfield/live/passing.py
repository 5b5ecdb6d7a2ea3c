"""What is in no log, on its way to those who watch at another replica."""

from __future__ import annotations

__all__ = ["Passing", "key_of", "passing_of"]

from dataclasses import dataclass

import orjson

from agentfield.sessions.model import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Passing:
    """An event without a number, and between which events of the log it happened."""

    session_id: str
    after: int
    """The number of the event that it followed."""
    event: Event


def key_of(passing: Passing, number: int) -> str:
    """Return the key of a hint that carries it; ``number`` tells it from others that say the same."""
    event = passing.event
    form = [passing.session_id, passing.after, number, event.type, event.at, event.data]
    return orjson.dumps(form).decode()


def passing_of(key: str) -> Passing:
    """Return what a hint carries."""
    session_id, after, _, type_, at, data = orjson.loads(key)
    event = Event(type=type_, data=data, at=at)
    return Passing(session_id=session_id, after=after, event=event)
