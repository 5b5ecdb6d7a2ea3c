"""The agent's side: what it is to say, one piece after the other, and what became of each."""

from __future__ import annotations

__all__ = ["Speaking"]

from collections.abc import Callable
from typing import Any

from agentfield.contract.turns import HeardTurn, Turns
from agentfield.sessions.effects import Outbox, Resolve, Send
from agentfield.sessions.outcomes import (
    heard_parts,
    outcome_of,
    spoken_words,
    what_was_spoken,
)
from agentfield.sessions.pieces import HeardPart, Piece, Response
from agentfield.sessions.provider import CancelSpeech, CreateSpeech
from agentfield.sessions.recalling import Recalling
from agentfield.sessions.responses import Responses
from agentfield.sessions.speech import Sequencer
from agentfield.sessions.toolbook import ToolBook
from agentfield.sessions.words import same_words
from agentfield.v1 import errors


class Speaking:
    """Has pieces spoken, and goes on after the tools that the model calls."""

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
        self.responses = Responses(outbox, turns=turns, book=book, sequence=self._sequence)

    @property
    def answering(self) -> bool:
        """Whether something is or will be said that follows the latest turn of the user."""
        said = [r.piece for r in self._sequence.responses.values() if not r.cancelled]
        going_on = [response.piece for response in self._going_on()]
        pieces = [*self._sequence.waiting(), *said, *going_on]
        return any(not (piece.after_turn or piece.stopped) for piece in pieces)

    @property
    def audible(self) -> bool:
        """Whether the user hears the agent, or is about to."""
        return self._sequence.speaking

    @property
    def adrift(self) -> str:
        """The one response that was under way when a link was lost; empty: there is no one such."""
        adrift = [r for r in self._sequence.responses.values() if r.settles_at is not None]
        return adrift[0].response_id if len(adrift) == 1 else ""

    @property
    def deadline(self) -> float:
        return self._sequence.deadline()

    def restore(self, recalled: Recalling) -> None:
        """Go on with what was under way when nobody listened any more."""
        self._sequence.restore(recalled.open(), recalled.asked())
        self.responses.restore(recalled.calling(), recalled.over())

    def cast_adrift(self) -> None:
        """Note that the link is gone, and the provider call goes on."""
        self._sequence.cast_adrift()

    def settle_soon(self, now: float) -> None:
        """Note that there is a link again to the same provider call."""
        self._sequence.settle(now)

    def begin(self) -> None:
        """Begin anew with another provider call; what waits to be spoken still does."""
        lost = [*self._sequence.forget(), *(r.piece for r in self.responses.calling)]
        self.responses.calling.clear()
        for piece in lost:
            self._resolve(piece, None, "unknown")

    # --- what is to be said ---

    def ask(self, piece: Piece) -> None:
        """Queue a piece."""
        self._sequence.ask(piece)

    def answer_latest(self, piece: Piece) -> None:
        """Have the model answer the latest turn, once for all that wait for an answer."""
        waiting = [each for each in self._sequence.waiting() if each.kind == "answer"]
        self._sequence.drop(waiting)
        self._sequence.ask(piece)

    def turn_committed(self) -> None:
        """Note that the user has said something after what is being said."""
        for piece in self._pieces():
            piece.after_turn = True

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
            instructions=piece.instructions,
            metadata=dict(piece.metadata),
            request=piece.waits,
            after=piece.after,
        )
        command = CreateSpeech(
            command_id=piece.command_id,
            say=piece.text,
            instructions=piece.instructions,
        )
        self._out.put(Send(command=command))

    def stop(self) -> bool:
        """Stop what is being said now, and what was to follow it; tell if there was anything."""
        speaking = [r for r in self._sequence.responses.values() if r.generating or r.audible]
        going_on = self._going_on()
        expected = self._sequence.expecting
        for response in (*speaking, *going_on):
            response.cancelled = True
        if speaking:
            generating = [r.response_id for r in speaking if r.generating]
            response_id = generating[-1] if generating else None
            self._out.put(Send(command=CancelSpeech(response_id=response_id)))
        stopped = self._sequence.stop()
        for piece in stopped:
            self._resolve(piece, None, "cancelled")
        return bool(speaking or going_on or expected or stopped)

    def fail_waiting(
        self, concerned: Callable[[Piece], bool], error: errors.AgentFieldError
    ) -> None:
        """Answer those who wait for pieces with an error; what is not sent yet is dropped."""
        pieces = [piece for piece in self._pieces() if concerned(piece)]
        self._sequence.drop(pieces)
        for piece in pieces:
            piece.last = True
            if piece.waits:
                self._out.put(Resolve(command_id=piece.waits, result=error))
                piece.waits = ""

    def refused(self, command_id: str, now: float) -> None:
        """Note that the provider was busy: it is asked again."""
        piece = self._sequence.refused(command_id, now)
        if piece is not None:
            self._resolve(piece, None, "cancelled")

    def failed(self, command_id: str) -> None:
        """Note that the provider refused a piece for good."""
        piece = self._sequence.failed(command_id)
        if piece is not None:
            self._resolve(piece, None, "failed")

    # --- what becomes of it ---

    def tick(self, now: float) -> None:
        """Give up what shows no sign of life."""
        responses, pieces = self._sequence.overdue(now)
        for piece in pieces:
            self._resolve(piece, piece.found, "unknown")
        for response in responses:
            if response.generating and response.settles_at is None:
                self._out.put(Send(command=CancelSpeech(response_id=response.response_id)))
            self._close(response, now, outcome_of(response) if response.played else "unknown")

    def settle(self, now: float) -> None:
        """Tell what became of responses that are over, and go on after tool calls."""
        for response in list(self._sequence.responses.values()):
            if response.is_over(now):
                self._close(response, now, outcome_of(response))
        for response in list(self.responses.calling):
            if not response.goes_on and response.outcome:
                self.responses.calling.remove(response)
                outcome = "cancelled" if response.cancelled else response.outcome
                self._resolve(response.piece, response, outcome)
            elif response.goes_on and self._may_go_on(response):
                self.responses.calling.remove(response)
                self._go_on(response)

    def close(self, now: float) -> None:
        """Tell what was heard of what was being said when it all ended."""
        for response in list(self._sequence.responses.values()):
            self._close(response, now, "interrupted" if response.audible else "unknown")
        self._sequence.forget()

    # --- inside ---

    def _pieces(self) -> list[Piece]:
        return [*self._sequence.pieces(), *(r.piece for r in self.responses.calling)]

    def _going_on(self) -> list[Response]:
        return [response for response in self.responses.calling if response.goes_on]

    def _may_go_on(self, response: Response) -> bool:
        finished = response.done is not None or response.outcome
        return bool(finished) and self._book.answered(response.calls)

    def _close(self, response: Response, now: float, outcome: str) -> None:
        self.responses.over(response, outcome)
        self._tell_deviation(response)
        response.heard = heard_parts(response, now)
        for part in response.heard:
            response.piece.turn = self._log_heard(response, part)
        if not response.calls:
            self._resolve(response.piece, response, outcome)

    def _tell_deviation(self, response: Response) -> None:
        """Tell that a text was spoken otherwise than asked; of one cut short nobody knows."""
        asked, spoken, done = response.piece.text, spoken_words(response), response.done
        if asked is None or done is None or done.status not in {"completed", "incomplete"}:
            return
        if not same_words(asked, spoken):
            command_id = response.piece.command_id
            self._out.log("agent.deviated", command_id=command_id, asked=asked, spoken=spoken)

    def _log_heard(self, response: Response, part: HeardPart) -> HeardTurn | None:
        data: dict[str, Any] = {
            "item_id": part.item_id,
            "response_id": response.response_id,
            "command_id": response.piece.command_id,
            "text": part.text,
            "full_text": part.full_text,
            "heard_ms": part.milliseconds,
            "interrupted": response.outcome in {"interrupted", "cancelled"},
            "estimated": response.outcome != "completed",
            "outcome": response.outcome,
            "metadata": dict(response.piece.metadata),
        }
        self._out.log("agent.heard", **data)
        return self._turns.add("agent.heard", data, 0)

    def _go_on(self, response: Response) -> None:
        """Ask the model to go on, now that all calls of a response are answered."""
        piece = response.piece
        follow = Piece(
            command_id=self._new_id("cmd"),
            kind="continue",
            instructions=piece.instructions,
            attempt=piece.attempt,
            waits=piece.waits,
            under_way=True,
            after=response.response_id,
            turn=piece.turn,
        )
        piece.waits = ""
        self._sequence.ask(follow)

    def _resolve(self, piece: Piece, response: Response | None, outcome: str) -> None:
        if piece.waits:
            result = what_was_spoken(piece, response, outcome)
            self._out.put(Resolve(command_id=piece.waits, result=result))
            piece.waits = ""
