"""Going on with a conversation that nobody listened to for a while, in this process or before it."""

from __future__ import annotations

__all__ = ["Continuing"]

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from agentfield.sessions import provider as p
from agentfield.sessions.configuring import CONFIRM_SECONDS
from agentfield.sessions.model import Event, ToolCall
from agentfield.sessions.parts import Parts
from agentfield.sessions.recalling import Recalling
from agentfield.sessions.resuming import Resuming, missed

_UNSEEN = "Nobody saw the model call this. Call it again."
MOST_TURNS = 8
"""How many turns without words are looked up after a link was lost."""


class Continuing:
    """Recalls from the log what was under way, and asks the provider for what was missed."""

    def __init__(self, parts: Parts, *, speaks: bool, new_id: Callable[[str], str]) -> None:
        self._in = parts
        self._recalling = Recalling(speaks=speaks)
        self._recalled: frozenset[str] = frozenset()
        self._resuming = Resuming(parts.outbox, new_id=new_id)
        parts.outbox.observe = self._resuming.note
        self._data_channel = False
        """The client of the provider call may put items into the conversation, too."""

    @property
    def is_over(self) -> bool:
        """Whether all that the provider was asked is answered."""
        return self._resuming.is_over

    @property
    def deadline(self) -> float:
        return self._resuming.deadline

    def recalls(self, command_id: str) -> bool:
        """Return whether a command is in the log: it was answered, or will be."""
        return command_id in self._recalled

    # --- from the log ---

    def replay(self, event: Event, moment: float) -> None:
        """Take in an event of the log; ``moment`` is when it was, by the clock of the steps."""
        turn = self._in.turns.add(event.type, event.data, event.at)
        self._recalling.add(event.type, event.data, moment, turn)
        self._in.listening.replay(event.type, event.data)
        self._resuming.note(event.type, event.data)
        if event.type == "session.connecting":
            self._data_channel = event.data.get("data_channel", self._data_channel)

    def resume(self, calls: Sequence[ToolCall], now: float) -> bool:
        """Go on where the log ends; return whether a turn was heard and nobody asked since."""
        recalled, self._recalling = self._recalling, Recalling(speaks=False)
        self._recalled = recalled.requests()
        self._in.book.restore(recalled.provider_call_id, calls, recalled.targets)
        self._in.speaking.restore(recalled)
        self._in.listening.wait_anew(now)
        for answer in recalled.answers():
            self._in.outbox.put(answer)
        return recalled.unasked_turn and bool(self._in.turns.unanswered())

    # --- over a lost link ---

    def lost(self) -> None:
        """Note that the link is gone."""
        self._resuming.end()
        self._in.speaking.cast_adrift()
        self._in.configuring.wait_until(math.inf)

    def begin(self, gap: Mapping[str, str], now: float) -> None:
        """Begin with a new link to the same provider call."""
        self._in.outbox.log("provider.gap", **gap)
        self._in.speaking.settle_soon(now)
        self._in.configuring.wait_until(now + CONFIRM_SECONDS)
        self._in.listening.wait_anew(now)
        unheard, undelivered = self._in.listening.unheard(MOST_TURNS), self._in.book.undelivered()
        self._resuming.begin([*unheard, *undelivered], now)

    def end(self) -> None:
        """Ask for nothing more."""
        self._resuming.end()

    def forget(self, *, data_channel: bool) -> None:
        """Begin anew with another provider call."""
        self._data_channel = data_channel
        self._resuming.forget()

    def tick(self, now: float) -> None:
        """Give up waiting for what the provider does not answer."""
        for item_id in self._resuming.tick(now):
            self._in.book.resend(item_id)

    # --- what the provider tells ---

    def added(self, item: p.ItemAdded) -> p.ItemAdded | None:
        """Return an item that was added, by what it follows; None for one of ours that goes."""
        if self._resuming.probed(item, known=self._is_known):
            return None
        return replace(item, previous_item_id=self._resuming.before(item.previous_item_id))

    def committed(self, event: p.TurnCommitted) -> p.TurnCommitted:
        """Return a turn by what it follows."""
        return replace(event, previous_item_id=self._resuming.before(event.previous_item_id))

    def found(self, item: p.ItemFound, now: float, take: Callable[[p.ProviderEvent], None]) -> None:
        """Take in an item that was looked up; ``take`` takes in what would have told of it."""
        if not self._resuming.found(item):
            return
        known, responses = self._is_known(item.item_id), self._in.speaking.responses
        for event in missed(item, known=known, response_id=self._in.speaking.adrift):
            match event:
                case p.AgentSaid():
                    responses.found_words(event, now)
                case p.ToolCalled():
                    # The model's own was told of when it began, if anybody listened then.
                    refused = _UNSEEN if self._data_channel and not known else ""
                    responses.found_call(event, now, refused=refused)
                case _:
                    take(event)
        if item.type == "function_call_output" and known:
            self._in.book.delivered(item.item_id)

    def missing(self, item_id: str) -> None:
        """Note that there is no such item: an output of ours is sent again."""
        self._resuming.missing(item_id)
        self._in.book.resend(item_id)

    def _is_known(self, item_id: str) -> bool:
        return self._in.turns.knows(item_id) or self._in.book.owns(item_id)
