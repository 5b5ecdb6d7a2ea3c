"""What the provider tells, taken in by the parts of a conversation that it concerns."""

from __future__ import annotations

__all__ = ["Hearing"]

from collections.abc import Callable, Mapping
from typing import Any

from agentfield.sessions import provider as p
from agentfield.sessions.continuing import Continuing
from agentfield.sessions.effects import End, Send
from agentfield.sessions.leading import Leader
from agentfield.sessions.model import EndReason
from agentfield.sessions.parts import Parts
from agentfield.sessions.pieces import Piece
from agentfield.sessions.resuming import PROBE_TEXT
from agentfield.sessions.usage import added_up

_OURS_TO_SPEAK_AS = frozenset({"assistant", "system"})
"""Roles of messages that the model and we have; a client types as the user."""


class Hearing:
    """Knows for each event of the provider whom it concerns. Events may come in any order."""

    def __init__(
        self,
        parts: Parts,
        continuing: Continuing,
        *,
        interruptible: bool,
        leader: Callable[[], Leader],
        answer: Callable[[], Piece],
    ) -> None:
        self._in = parts
        self._continuing = continuing
        self._interruptible = interruptible
        self._leader = leader
        self._answer = answer
        """Makes an answer of the model to a turn."""
        self.usage: dict[str, Any] = {}
        """What the provider counted."""
        self._typed = False
        """The client has typed a turn while only we may ask for speech, and may ask for it once."""
        self._takes = self._table()

    def hear(self, event: p.ProviderEvent, now: float) -> None:
        """Take an event in."""
        self._takes[type(event)](event, now)

    def replay(self, type_: str, data: Mapping[str, Any]) -> None:
        """Take in an event of the log."""
        if type_ == "usage":
            self.usage = added_up(self.usage, data["usage"])

    def _table(self) -> Mapping[type, Callable[[Any, float], object]]:
        """Return what takes each event of the provider in."""
        responses, listening = self._in.speaking.responses, self._in.listening
        return {
            p.Configured: lambda event, _: self._configured(event),
            p.SpeechStarted: lambda event, _: self._speech_started(event),
            p.SpeechStopped: lambda event, _: listening.stopped(event),
            p.TurnCommitted: self._turn_committed,
            p.HeardDelta: lambda event, _: listening.delta(event),
            p.Heard: lambda event, _: listening.heard(event),
            p.HeardFailed: lambda event, _: listening.failed(event),
            p.ItemAdded: lambda event, _: self._item_added(event),
            p.ItemDeleted: lambda event, _: self._item_deleted(event),
            p.SpeechBegun: self._speech_begun,
            p.AgentDelta: responses.delta,
            p.AgentSaid: responses.said,
            p.ToolCalled: responses.called,
            p.PlaybackStarted: responses.playback,
            p.PlaybackStopped: responses.playback,
            p.PlaybackCleared: responses.playback,
            p.Truncated: lambda event, _: responses.truncated(event),
            p.SpeechDone: self._speech_done,
            p.Failed: self._failed,
            p.LinkClosed: self._link_closed,
            p.ItemFound: self._item_found,
            p.ItemMissing: lambda event, _: self._continuing.missing(event.item_id),
        }

    def _speech_started(self, event: p.SpeechStarted) -> None:
        self._in.listening.started(event)
        if self._in.speaking.audible and self._interruptible:
            self._in.book.interrupted()

    def _turn_committed(self, event: p.TurnCommitted, now: float) -> None:
        """Decide who answers a turn that was committed this moment."""
        if not self._in.listening.committed(self._continuing.committed(event), now):
            return
        self._in.speaking.turn_committed()
        if self._leader() is Leader.MODEL:
            self._in.speaking.answer_latest(self._answer())

    def _speech_begun(self, event: p.SpeechBegun, now: float) -> None:
        only_ours = self._leader() is Leader.HANDLER
        if self._in.speaking.responses.begun(event, now, only_ours=only_ours):
            typed, self._typed = self._typed, False
            if not typed:
                self._in.tampering.notice("response", event.response_id)

    def _speech_done(self, event: p.SpeechDone, now: float) -> None:
        self._in.speaking.responses.done(event, now)
        if event.usage:
            self._in.outbox.log("usage", response_id=event.response_id, usage=dict(event.usage))
            self.usage = added_up(self.usage, event.usage)

    def _link_closed(self, event: p.LinkClosed, _: float) -> None:
        self._in.configuring.end()
        reason = EndReason.PROVIDER_CLOSED if event.by_provider else EndReason.PROVIDER_ERROR
        self._in.outbox.put(End(reason=reason, detail=event.detail))

    def _item_found(self, item: p.ItemFound, now: float) -> None:
        self._continuing.found(item, now, lambda event: self.hear(event, now))

    def _item_added(self, given: p.ItemAdded) -> None:
        item = self._continuing.added(given)
        if item is None:
            return
        self._in.outbox.log(
            "item.added",
            item_id=item.item_id,
            previous_item_id=item.previous_item_id,
            type=item.type,
            role=item.role,
        )
        self._in.turns.add(
            "item.added", {"item_id": item.item_id, "previous_item_id": item.previous_item_id}, 0
        )
        if item.type == "message" and item.role == "user" and item.text is not None:
            # Whoever types asks for the answer as well: it is not asked for here again.
            if self._in.listening.typed(item):
                self._in.speaking.turn_committed()
                self._typed = self._leader() is Leader.HANDLER
        elif item.type == "function_call_output":
            if not self._in.book.delivered(item.item_id):
                self._take_out(item, "tool_output")
        elif item.whole and item.type == "function_call":
            self._take_out(item, "function_call")
        elif item.whole and item.role in _OURS_TO_SPEAK_AS and item.text != PROBE_TEXT:
            self._take_out(item, "message")

    def _take_out(self, item: p.ItemAdded, what: str) -> None:
        """Delete what only the model or we may put into the conversation."""
        self._in.outbox.put(Send(command=p.DeleteItem(item_id=item.item_id)))
        self._in.tampering.notice(what, item.item_id)

    def _item_deleted(self, event: p.ItemDeleted) -> None:
        if self._in.turns.knows(event.item_id) or self._in.book.owns(event.item_id):
            self._in.outbox.log("item.deleted", item_id=event.item_id)
        if self._in.book.deleted(event.item_id):
            self._in.tampering.notice("tool_output", event.item_id)

    def _configured(self, event: p.Configured) -> None:
        for differs in self._in.configuring.configured(event):
            self._in.tampering.notice("configuration", differs)

    def _failed(self, event: p.Failed, now: float) -> None:
        if event.busy:
            self._in.speaking.refused(event.command_id, now)
            return
        facts = {"code": event.code, "message": event.message, "command_id": event.command_id}
        self._in.outbox.log("provider.error", **facts)
        if event.expired:
            detail = "the provider's own limit of a call was reached"
            self._in.outbox.put(End(reason=EndReason.PROVIDER_CLOSED, detail=detail))
        elif event.fatal:
            self._in.outbox.put(End(reason=EndReason.PROVIDER_ERROR, detail=event.code))
        else:
            self._in.speaking.failed(event.command_id)
