"""The user's side: when a turn is complete, and when its words are known."""

from __future__ import annotations

__all__ = ["Listening"]

from collections.abc import Mapping
from typing import Any

from agentfield.contract.turns import Turns
from agentfield.sessions.effects import Live, Outbox
from agentfield.sessions.provider import (
    Heard,
    HeardDelta,
    HeardFailed,
    ItemAdded,
    SpeechStarted,
    SpeechStopped,
    TurnCommitted,
)


class Listening:
    """Logs the user's speech and turns; a transcript that does not come is not waited for."""

    def __init__(
        self, outbox: Outbox, *, turns: Turns, transcribed: bool, transcript_timeout: float
    ) -> None:
        self._out = outbox
        self._turns = turns
        self._transcribed = transcribed
        self._timeout = transcript_timeout
        self._committed: dict[str, None] = {}
        """In their order."""
        self._known: set[str] = set()
        """Turns whose words are known, or known to be missing."""
        self._late: set[str] = set()
        """Turns whose words were not waited for any longer."""
        self._due: dict[str, float] = {}

    @property
    def deadline(self) -> float:
        """When the next transcript is late."""
        return min(self._due.values(), default=float("inf"))

    def tick(self, now: float) -> None:
        """Give up waiting for what is late."""
        for item_id in [item_id for item_id, at in self._due.items() if at <= now]:
            del self._due[item_id]
            self._late.add(item_id)
            self._log("turn.timed_out", item_id=item_id)

    def replay(self, type_: str, data: Mapping[str, Any]) -> None:
        """Take in an event of the log, as history."""
        match type_:
            case "turn.committed":
                self._committed[data["item_id"]] = None
            case "turn.transcribed" | "turn.failed":
                self._known.add(data["item_id"])
            case "turn.timed_out":
                self._late.add(data["item_id"])

    def wait_anew(self, now: float) -> None:
        """Give the words of turns the whole time to come from now on: nobody has listened."""
        unknown = [each for each in self._committed if each not in self._known | self._late]
        self._due = dict.fromkeys(unknown, now + self._timeout)

    def unheard(self, most: int) -> list[str]:
        """Return the latest turns whose words are not known, at most so many."""
        return [item_id for item_id in self._committed if item_id not in self._known][-most:]

    def started(self, event: SpeechStarted) -> None:
        self._out.log("speech.started", item_id=event.item_id, at_ms=event.at_ms)

    def stopped(self, event: SpeechStopped) -> None:
        self._out.log("speech.stopped", item_id=event.item_id, at_ms=event.at_ms)

    def committed(self, event: TurnCommitted, now: float) -> bool:
        """Take in a complete turn; return whether it is new."""
        if event.item_id in self._committed:
            return False
        self._committed[event.item_id] = None
        self._log(
            "turn.committed",
            item_id=event.item_id,
            previous_item_id=event.previous_item_id,
            channel="audio",
        )
        if not self._transcribed:
            self._failed(event.item_id, "transcription_off")
        elif event.item_id not in self._known:
            self._due[event.item_id] = now + self._timeout
        return True

    def typed(self, item: ItemAdded) -> bool:
        """Take in a turn that was typed; return whether it is new."""
        if item.item_id in self._committed:
            return False
        self._committed[item.item_id] = None
        self._log(
            "turn.committed",
            item_id=item.item_id,
            previous_item_id=item.previous_item_id,
            channel="text",
        )
        self.heard(Heard(item_id=item.item_id, text=item.text or ""))
        return True

    def delta(self, event: HeardDelta) -> None:
        data = {"item_id": event.item_id, "delta": event.delta}
        self._out.put(Live(type="turn.delta", data=data))

    def heard(self, event: Heard) -> None:
        """Take in a transcript, late or not."""
        self._known.add(event.item_id)
        self._due.pop(event.item_id, None)
        self._log("turn.transcribed", item_id=event.item_id, text=event.text.strip())

    def failed(self, event: HeardFailed) -> None:
        self._failed(event.item_id, event.code)

    def _failed(self, item_id: str, code: str) -> None:
        self._known.add(item_id)
        self._due.pop(item_id, None)
        self._log("turn.failed", item_id=item_id, code=code)

    def _log(self, type_: str, **data: object) -> None:
        self._out.log(type_, **data)
        self._turns.add(type_, data, 0)
