"""What a handler knows of its session, from the events it is sent."""

from __future__ import annotations

__all__ = ["Conversation"]

import asyncio

from agentfield.contract.turns import USER, HeardTurn, Turns, is_noise
from agentfield.v1 import agent_service_pb2, errors, session_pb2
from agentfield_sdk.payload import load
from agentfield_sdk.session_values import Session, SessionTurn
from agentfield_sdk.values import value_of

MAX_WAITING = 1000
"""Turns that wait for their handler; one that is further behind finds the oldest in the history."""


class Conversation:
    """One session as one attempt of its handler sees it. Events that were seen are dropped.

    What is in the log when the first stream opens is history: of it, only the user's turns that
    nothing the agent said follows are handed to the handler.
    """

    def __init__(self) -> None:
        self.state = ""
        self.grace = 0.0
        """How many seconds the handler may go on after the end."""
        self.cursor = 0
        """The number of the last event seen."""
        self.ended = False
        """The session is over."""
        self._session: Session | None = None
        self._ready = asyncio.Event()
        self._end_reason = ""
        self._known_end: str | None = None
        """Why it ended, if a stream was opened after that."""
        self._history_ends_at = 0
        self._turns = Turns()
        self._handed: set[str] = set()
        self._waiting: dict[str, HeardTurn] = {}
        self._news = asyncio.Event()

    def open(self, opened: agent_service_pb2.HandlerOpened) -> None:
        """Take in the first message of a stream."""
        session: Session = value_of(opened.session)
        if session.state == "ended":
            self._known_end = session.end_reason
        if self._session is None:
            self._session = session
            self.state = session.state
            self.grace = opened.handler_grace.ToNanoseconds() / 1e9
            self._history_ends_at = opened.session.last_sequence
            self._begin_if_caught_up()

    def hear(self, event: session_pb2.SessionEvent) -> None:
        """Take in an event."""
        if event.sequence:
            if event.sequence <= self.cursor:
                return
            self.cursor = event.sequence
        data = load(event.data) or {}
        turn = self._turns.add(event.type, data, event.at.ToMicroseconds())
        match event.type:
            case "session.connecting" | "session.live":
                self.state = event.type.removeprefix("session.")
            case "session.ended":
                self._end(data.get("reason", ""))
        if not self._ready.is_set():
            self._begin_if_caught_up()
        elif turn is not None:
            self._hand(turn)

    def stream_over(self) -> None:
        """Note that the server has nothing more to tell, and has ended the stream in good order.

        Of a session that ended and was deleted meanwhile, not even its end is left to be told.
        """
        if self._known_end is not None and not self.ended:
            self._end(self._known_end)
            self._ready.set()

    async def begin(self) -> Session:
        """Wait until the history is complete, and return the session as it was then."""
        await self._ready.wait()
        if self._session is None:
            raise AssertionError("a conversation is ready once it was opened")
        return self._session

    def history(self) -> list[SessionTurn]:
        """Return what was said so far, in the order of the conversation."""
        return [_value(turn) for turn in self._turns.history()]

    async def next_turn(self) -> SessionTurn:
        """Wait for a turn of the user. Raises SessionEnded when there will be none."""
        while not self._waiting:
            if self.ended:
                raise errors.SessionEnded(f"The session has ended: {self._end_reason}.")
            self._news.clear()
            await self._news.wait()
        return _value(self._waiting.pop(next(iter(self._waiting))))

    def _end(self, reason: str) -> None:
        self.state, self._end_reason, self.ended = "ended", reason, True
        self._news.set()

    def _begin_if_caught_up(self) -> None:
        if self.cursor < self._history_ends_at:
            return
        unanswered = self._turns.unanswered()
        past = {turn.item_id for turn in self._turns.history() if turn.role == USER}
        self._handed = past - {turn.item_id for turn in unanswered}
        for turn in unanswered:
            self._hand(turn)
        self._ready.set()

    def _hand(self, turn: HeardTurn) -> None:
        if turn.item_id in self._waiting:  # a late transcript of it
            self._waiting[turn.item_id] = turn
            if is_noise(turn):
                del self._waiting[turn.item_id]
            return
        done = turn.role == USER and turn.finished and not is_noise(turn)
        if not done or turn.item_id in self._handed:
            return
        if len(self._waiting) == MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]
        self._handed.add(turn.item_id)
        self._waiting[turn.item_id] = turn
        self._news.set()


def _value(turn: HeardTurn) -> SessionTurn:
    return SessionTurn(
        text=turn.text or "",
        transcript=turn.text or None,
        channel=turn.channel,
        metadata=dict(turn.metadata),
        role=turn.role,
        item_id=turn.item_id,
        full_text=turn.full_text,
        interrupted=turn.interrupted,
        estimated=turn.estimated,
    )
