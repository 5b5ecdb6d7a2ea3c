"""What steps ordered, recorded in one transaction and published in the order it happened."""

from __future__ import annotations

__all__ = ["Recorder", "bounded"]

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from agentfield.dispatch.background import until_stored
from agentfield.live.feed import LAST
from agentfield.live.observing import Observer
from agentfield.live.orders import Order
from agentfield.live.whole import Shared
from agentfield.sessions import effects as e
from agentfield.sessions import ports
from agentfield.sessions.model import Event, Session
from agentfield.sessions.sharing import Unowned

MAX_EVENT = 256 * 1024
"""Bytes of an event's texts, about; more of them is cut, and the event says so."""
MAX_TEXT = 16 * 1024


def bounded(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an event's data, with long texts cut if all of them are too long."""
    texts = {name: value for name, value in data.items() if isinstance(value, str)}
    if 4 * sum(map(len, texts.values())) <= MAX_EVENT:
        return data
    return {**data, **{name: text[:MAX_TEXT] for name, text in texts.items()}, "truncated": True}


class Recorder:
    """Collects what one session has to store and to tell, and what is to be done then."""

    def __init__(self, shared: Shared, session: Session, observer: Observer) -> None:
        self._session_id = session.session_id
        self._epoch = session.owner_epoch
        self._store = shared.store
        self._feeds = shared.feeds
        self._lease = shared.lease
        self._observer = observer
        self._log_ended = session.is_over
        self._last_sequence = session.last_sequence
        self._changes: list[ports.Change] = []
        self._news: list[Event | None] = []
        """What to publish: None stands for the next event that is stored."""
        self._deeds: list[Order] = []

    def add(self, order: Order) -> None:
        """Take in an order. Nothing is logged after the log's last event."""
        match order:
            case e.Log(type=type_, data=data) | ports.Append(type=type_, data=data):
                if not self._log_ended:
                    self._changes.append(ports.Append(type=type_, data=bounded(data)))
                    self._news.append(None)
                self._log_ended = self._log_ended or type_ == LAST
            case e.Live(type=type_, data=data):
                self._news.append(Event(type=type_, data=data, at=self._store.now()))
            case e.Save(call=call):
                self._changes.append(ports.PutToolCall(call=call))
            case ports.PutSession() | ports.PutCall() | ports.PutToolCall() | ports.EndRoot():
                self._changes.append(order)
            case _:
                self._deeds.append(order)

    async def record(self) -> tuple[int, Sequence[Order]]:
        """Store and publish what was taken in.

        Returns the number of the newest event, 0 for none, and what is to be done now. A store that
        cannot write is waited for: the call goes on meanwhile. Raises Unowned once another replica
        may have taken the session over.
        """
        if not self._lease.is_held:
            raise Unowned(self._session_id)
        changes, news, deeds = self._changes, self._news, self._deeds
        self._changes, self._news, self._deeds = [], [], []
        stored: list[Event] = []
        self._feeds.announce(self._session_id, news, after=self._last_sequence)
        if changes:
            commit = partial(self._store.commit, self._session_id, self._epoch, changes)
            stored = await until_stored(commit)
            if not self._lease.is_held:  # that took long: another replica does what is to be done
                raise Unowned(self._session_id)
        rest = iter(stored)
        told = [next(rest) if event is None else event for event in news]
        self._feeds.publish(self._session_id, told)
        self._last_sequence = stored[-1].sequence if stored else self._last_sequence
        self._observer.logged(stored)
        return (stored[-1].sequence if stored else 0), deeds
