"""Hints on their way between the servers of one database: what NOTIFY carries."""

from __future__ import annotations

__all__ = ["CHANNEL", "notifications", "opened"]

from collections.abc import Iterable, Iterator

import orjson

CHANNEL = "agentfield_hints"
MAX_BYTES = 7000
"""Of one notification; PostgreSQL takes less than 8000, and a quote counts twice in a statement."""

Hint = tuple[str, str]
"""Topic and key."""


def notifications(sender: str, hints: Iterable[Hint]) -> str:
    """Return the statements that tell the other servers of hints, each hint once."""
    return "".join(
        f"NOTIFY {CHANNEL}, '{_quoted(sender, pack)}';" for pack in _packs(dict.fromkeys(hints))
    )


def opened(sender: str, payload: str) -> list[Hint]:
    """Return the hints of a notification, none of our own."""
    whose, *hints = orjson.loads(payload)
    return [] if whose == sender else [(topic, key) for topic, key in hints]


def _quoted(sender: str, pack: list[Hint]) -> str:
    return orjson.dumps([sender, *pack]).decode().replace("'", "''")


def _packs(hints: Iterable[Hint]) -> Iterator[list[Hint]]:
    pack: list[Hint] = []
    size = 0
    for hint in hints:
        length = len(orjson.dumps(hint)) + 1
        if pack and size + length > MAX_BYTES:
            yield pack
            pack, size = [], 0
        if length <= MAX_BYTES:
            pack.append(hint)
            size += length
    if pack:
        yield pack
