"""The agent's side: what it is to say, what it says, and what was heard of it."""

from __future__ import annotations

__all__ = ["Speaking"]

from collections import deque
from collections.abc import Callable
from typing import Any

from agentfield.contract.turns import AGENT, HeardTurn, Turns
from agentfield.sessions.effects import Live, Outbox, Resolve, Send, Spoken
from agentfield.sessions.provider import (
    AgentDelta,
    AgentSaid,
    CancelSpeech,
    CreateSpeech,
    PlaybackCleared,
    PlaybackStarted,
    PlaybackStopped,
    SpeechBegun,
    SpeechDone,
    ToolCalled,
    Truncated,
)
from agentfield.sessions.speech import Piece, Response, Sequencer
from agentfield.sessions.toolbook import ToolBook
from agentfield.sessions.words import heard_words, same_words
from agentfield.v1 import errors

REMEMBERED = 64
Playback = PlaybackStarted | PlaybackStopped | PlaybackCleared


class Speaking:
    """Has pieces spoken one after the other, and tells what became of each."""

    def __init__(
        self,
        outbox: Outbox,
        *,
        turns: Turns,
        book: ToolBook,
        new_id: Callable[[str], str],
    ) -> None:
        self._out = outbox
        self._turns = turns
        self._book = book
        self._new_id = new_id
        self._sequence = Sequencer()
        self._continuing: list[Response] = []
        """Responses with calls that are not all answered yet."""
        self._over: deque[str] = deque(maxlen=REMEMBERED)
        """Responses that are over: what comes late of them changes nothing."""

    @property
    def idle(self) -> bool:
        return self._sequence.idle and not self._continuing

    @property
    def audible(self) -> bool:
        """Whether the user hears the agent, or is about to."""
        return self._sequence.speaking

    @property
    def deadline(self) -> float:
        return self._sequence.deadline()

    def begin(self) -> None:
        """Begin anew with another provider call; what waits to be spoken still does."""
        for response in list(self._sequence.responses.values()):
            self._sequence.over(response)
        self._continuing.clear()

    # --- what is to be said ---

    def ask(self, piece: Piece) -> None:
        """Queue a piece."""
        self._sequence.ask(piece)

    def answer_latest(self, piece: Piece) -> None:
        """Have the model answer the latest turn, once for all that wait for an answer."""
        waiting = [each for each in self._sequence.pieces() if each.kind == "answer"]
        self._sequence.drop(waiting)
        self._sequence.ask(piece)

    def turn_committed(self) -> None:
        """Note that the user has said something after what is being said."""
        for response in [*self._sequence.responses.values(), *self._continuing]:
            response.after_turn = True

    def pump(self, now: float) -> None:
        """Send the next piece if it is time for it."""
        piece = self._sequence.next(now)
        if piece is None:
            return
        self._out.log(
            "agent.asked",
            command_id=piece.command_id,
            kind=piece.kind,
            text=piece.text,
            attempt=piece.attempt,
        )
        command = CreateSpeech(
            command_id=piece.command_id,
            say=piece.text,
            instructions=piece.instructions,
        )
        self._out.put(Send(command=command))

    def stop(self) -> bool:
        """Stop what is being said now; return whether there was anything."""
        speaking = [r for r in self._sequence.responses.values() if r.generating or r.audible]
        for response in speaking:
            response.cancelled = True
        if speaking:
            generating = [r.response_id for r in speaking if r.generating]
            response_id = generating[-1] if generating else None
            self._out.put(Send(command=CancelSpeech(response_id=response_id)))
        return bool(speaking)

    def fail_waiting(
        self, concerned: Callable[[Piece], bool], error: errors.AgentFieldError
    ) -> None:
        """Answer those who wait for pieces with an error; what is not sent yet is dropped."""
        pieces = [*self._sequence.pieces(), *(r.piece for r in self._continuing)]
        concerned_pieces = [piece for piece in pieces if concerned(piece)]
        self._sequence.drop(concerned_pieces)
        for piece in concerned_pieces:
            if piece.waits:
                self._out.put(Resolve(command_id=piece.waits, result=error))
                piece.waits = ""

    # --- what the provider tells ---

    def begun(self, event: SpeechBegun, now: float, *, only_ours: bool) -> None:
        """Take in the begin of a response; what is not ours is cancelled if only ours may be."""
        response = self._response(event.response_id, now, event.command_id)
        if response is None:
            return
        self._out.log("agent.started", response_id=event.response_id, command_id=event.command_id)
        if only_ours and response.piece.kind == "own":
            response.cancelled = True
            self._out.put(Send(command=CancelSpeech(response_id=event.response_id)))

    def delta(self, event: AgentDelta, now: float) -> None:
        response = self._response(event.response_id, now)
        if response is None:
            return
        response.said.setdefault(event.item_id, "")
        data = {
            "item_id": event.item_id,
            "response_id": event.response_id,
            "delta": event.delta,
        }
        self._out.put(Live(type="agent.delta", data=data))

    def said(self, event: AgentSaid, now: float) -> None:
        response = self._response(event.response_id, now)
        if response is None:
            return
        response.said[event.item_id] = event.text
        piece = response.piece
        self._log(
            "agent.said",
            item_id=event.item_id,
            response_id=event.response_id,
            command_id=piece.command_id,
            text=event.text,
        )
        if piece.text is not None and not same_words(piece.text, event.text):
            self._out.log(
                "agent.deviated",
                command_id=piece.command_id,
                asked=piece.text,
                spoken=event.text,
            )

    def called(self, event: ToolCalled, now: float) -> None:
        """Take in a tool call."""
        response = self._response(event.response_id, now)
        if self._book.called(event) and response is not None:
            response.calls.add(event.call_id)

    def playback(self, event: Playback, now: float) -> None:
        response = self._response(event.response_id, now)
        if response is None:
            return
        match event:
            case PlaybackStarted():
                response.started_at = response.started_at or now
            case PlaybackStopped():
                response.played, response.ended_at = response.played or "stopped", now
            case PlaybackCleared():
                response.played, response.ended_at = "cleared", now
                self._interrupted(response)

    def truncated(self, event: Truncated) -> None:
        for response in self._sequence.responses.values():
            if event.item_id in response.said:
                response.cut[event.item_id] = event.audio_ms

    def done(self, event: SpeechDone, now: float) -> None:
        response = self._response(event.response_id, now, event.command_id)
        if response is None:
            return
        response.done = event
        for item_id in event.item_ids:
            response.said.setdefault(item_id, "")
        if not response.played:
            response.ended_at = now
        error = {"code": event.error_code, "message": event.error_message}
        self._out.log(
            "response.done",
            response_id=event.response_id,
            status=event.status,
            reason=event.reason,
            error=error if event.error_code else None,
        )
        if event.status == "cancelled" and event.reason == "turn_detected":
            self._interrupted(response)
        self._sequence.free()

    def refused(self, command_id: str, now: float) -> bool:
        """Note that the provider was busy; return whether that is taken care of."""
        return self._sequence.refused(command_id, now)

    def failed(self, command_id: str) -> None:
        """Note that the provider refused a piece for good."""
        piece = self._sequence.failed(command_id)
        if piece is not None:
            self._resolve(piece, None, "failed")

    # --- what follows ---

    def tick(self, now: float) -> None:
        """Give up what shows no sign of life."""
        responses, pieces = self._sequence.overdue(now)
        for piece in pieces:
            self._resolve(piece, None, "unknown")
        for response in responses:
            if response.generating:
                self._out.put(Send(command=CancelSpeech(response_id=response.response_id)))
            self._close(response, now, "unknown")

    def settle(self, now: float) -> None:
        """Tell what became of responses that are over, and go on after tool calls."""
        for response in list(self._sequence.responses.values()):
            if response.is_over(now):
                self._close(response, now, _outcome(response))
        for response in list(self._continuing):
            if self._book.answered(response.calls):
                self._continuing.remove(response)
                self._continue(response)

    def close(self, now: float) -> None:
        """Tell what was heard of what was being said when it all ended."""
        for response in list(self._sequence.responses.values()):
            self._close(response, now, "interrupted" if response.audible else "unknown")

    def _response(self, response_id: str, now: float, command_id: str = "") -> Response | None:
        """Return a response, new or known; None for one that is over."""
        if response_id in self._over:
            return None
        response = self._sequence.begun(response_id, command_id, now)
        response.alive_at = now
        return response

    def _interrupted(self, response: Response) -> None:
        if response.cancelled or response.interrupted:
            return
        response.interrupted = True
        self._out.log(
            "agent.interrupted",
            item_id=next(iter(response.said), None),
            response_id=response.response_id,
        )
        self._book.interrupted()

    def _close(self, response: Response, now: float, outcome: str) -> None:
        self._sequence.over(response)
        self._over.append(response.response_id)
        turn: HeardTurn | None = None
        for item_id, text in response.said.items():
            turn = self._heard(response, item_id, text, now, outcome)
        if response.calls:
            self._continuing.append(response)
        else:
            self._resolve(response.piece, response, outcome, turn)

    def _heard(
        self, response: Response, item_id: str, text: str, now: float, outcome: str
    ) -> HeardTurn | None:
        whole = outcome == "completed"
        milliseconds = response.cut.get(item_id)
        if milliseconds is None and response.started_at is not None:
            until = response.ended_at if response.played else now
            milliseconds = round((until - response.started_at) * 1000)
        heard = text if whole else heard_words(text, milliseconds or 0)
        return self._log(
            "agent.heard",
            item_id=item_id,
            response_id=response.response_id,
            command_id=response.piece.command_id,
            text=heard,
            full_text=text,
            heard_ms=milliseconds,
            interrupted=outcome in {"interrupted", "cancelled"},
            estimated=not whole,
            outcome=outcome,
            metadata=dict(response.piece.metadata),
        )

    def _continue(self, response: Response) -> None:
        """Ask the model to go on, now that all calls of a response are answered."""
        piece = response.piece
        if response.interrupted and response.after_turn:
            self._resolve(piece, response, "interrupted")
            return
        follow = Piece(
            command_id=self._new_id("cmd"),
            kind="continue",
            instructions=piece.instructions,
            attempt=piece.attempt,
            waits=piece.waits,
        )
        self._sequence.ask(follow)

    def _resolve(
        self, piece: Piece, response: Response | None, outcome: str, turn: HeardTurn | None = None
    ) -> None:
        if not piece.waits:
            return
        spoken = " ".join(filter(None, response.said.values())) if response else ""
        result = Spoken(
            text=piece.text or "",
            spoken_text=spoken,
            verbatim=piece.text is not None and same_words(piece.text, spoken),
            heard_text=(turn.text or "") if turn else "",
            heard_ms=_heard_ms(response),
            estimated=bool(turn and turn.estimated),
            outcome=outcome,
            turn=turn,
        )
        self._out.put(Resolve(command_id=piece.waits, result=result))
        piece.waits = ""

    def _log(self, type_: str, **data: Any) -> HeardTurn | None:
        self._out.log(type_, **data)
        turn = self._turns.add(type_, data, 0)
        return turn if turn and turn.role == AGENT else None


def _outcome(response: Response) -> str:
    done = response.done
    if response.cancelled:
        return "cancelled"
    if response.interrupted or response.played == "cleared":
        return "interrupted"
    if done is not None and done.status in {"failed", "cancelled"}:
        return done.status
    return "completed"


def _heard_ms(response: Response | None) -> int:
    if response is None or response.started_at is None:
        return 0
    if response.cut:
        return sum(response.cut.values())
    return round((response.ended_at - response.started_at) * 1000) if response.ended_at else 0
