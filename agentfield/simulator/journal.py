"""The journal: every frame and every HTTP request and answer, as it was sent or received."""

from __future__ import annotations

__all__ = ["Entry", "Journal"]

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

_KEPT = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One frame, request or answer."""

    number: int
    at: float
    """Seconds since the epoch."""
    direction: str
    """``received`` or ``sent``."""
    connection: str
    """``http-1``, ``data-channel-2``, ``sideband-3``, ``websocket-4``, and so on."""
    call_id: str | None
    """Which call a frame belongs to; WebSocket sessions have an id of their own here."""
    body: dict[str, Any] = field(hash=False)
    """The event; of HTTP requests method, path, headers without keys, and body; of answers
    status, headers and body. The audio of events is replaced by its length."""

    @property
    def type(self) -> str | None:
        """The type of an event; None for HTTP."""
        kind = self.body.get("type")
        return kind if isinstance(kind, str) else None


class Journal:
    """Keeps the newest 20 000 entries."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=_KEPT)
        self._count = 0
        self._waiting: set[asyncio.Event] = set()

    def add(
        self, direction: str, connection: str, body: dict[str, Any], *, call_id: str | None = None
    ) -> None:
        """Write an entry down."""
        self._count += 1
        entry = Entry(
            number=self._count,
            at=time.time(),
            direction=direction,
            connection=connection,
            call_id=call_id,
            body=_without_audio(body),
        )
        self._entries.append(entry)
        for event in self._waiting:
            event.set()

    def entries(
        self,
        kind: str | None = None,
        *,
        direction: str | None = None,
        connection: str = "",
        call_id: str | None = None,
        after: int = 0,
    ) -> Sequence[Entry]:
        """Return entries in their order; ``connection`` is how the name begins."""
        return [
            entry
            for entry in self._entries
            if entry.number > after
            and kind in {None, entry.type}
            and direction in {None, entry.direction}
            and call_id in {None, entry.call_id}
            and entry.connection.startswith(connection)
        ]

    async def until(self, found: Callable[[Entry], bool], *, seconds: float = 5) -> Entry:
        """Return the first entry that is what you look for, now or within so many seconds."""
        changed = asyncio.Event()
        self._waiting.add(changed)
        try:
            async with asyncio.timeout(seconds):
                while True:
                    changed.clear()
                    for entry in self._entries:
                        if found(entry):
                            return entry
                    await changed.wait()
        finally:
            self._waiting.discard(changed)


def _without_audio(body: dict[str, Any]) -> dict[str, Any]:
    key = {"input_audio_buffer.append": "audio", "response.output_audio.delta": "delta"}.get(
        str(body.get("type"))
    )
    if key is None or not isinstance(body.get(key), str):
        return body
    return body | {key: f"<{len(body[key])} characters>"}
