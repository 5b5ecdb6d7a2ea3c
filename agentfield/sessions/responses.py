"""What the provider tells of its responses, from their begin until nothing of them is heard.

Events are accepted in any order; what comes of a response that is over changes nothing.
"""

from __future__ import annotations

__all__ = ["Responses"]

from collections import deque
from collections.abc import Iterable

from agentfield.contract.turns import Turns
from agentfield.sessions.effects import Live, Outbox, Send
from agentfield.sessions.pieces import Piece, Response
from agentfield.sessions.provider import (
    AgentDelta,
    AgentSaid,
    CancelSpeech,
    PlaybackCleared,
    PlaybackStarted,
    PlaybackStopped,
    SpeechBegun,
    SpeechDone,
    ToolCalled,
    Truncated,
)
from agentfield.sessions.speech import REMEMBERED, Sequencer
from agentfield.sessions.toolbook import ToolBook

_FOREIGN = "Nobody of this session asked for the response that called this."
Playback = PlaybackStarted | PlaybackStopped | PlaybackCleared


class Responses:
    """Keeps the responses of a sequence up to date, and logs what is told of them."""

    def __init__(
        self, outbox: Outbox, *, turns: Turns, book: ToolBook, sequence: Sequencer
    ) -> None:
        self._out = outbox
        self._turns = turns
        self._book = book
        self._sequence = sequence
        self._over: deque[str] = deque(maxlen=REMEMBERED)
        self.calling: list[Response] = []
        """Those that have called tools, after which the model may have to go on."""

    def restore(self, calling: Iterable[Response], over: Iterable[str]) -> None:
        """Go on with responses that called tools; what comes of those that are over is ignored."""
        self.calling += calling
        self._over += over

    def found_words(self, event: AgentSaid, now: float) -> None:
        """Take in words that were found: they are no sign that more will come."""
        response = self._sequence.found(event.response_id, now)
        if response is not None:
            response.said[event.item_id] = event.text
        self._log_said(event, response)

    def found_call(self, event: ToolCalled, now: float, *, refused: str = "") -> None:
        """Take in a call that was found; of whichever response it was, the model goes on after.

        ``refused`` says why it may not run.
        """
        is_new = self._book.refused(event, refused) if refused else self._book.called(event)
        if not is_new:
            return
        found = [response for response in self.calling if not response.response_id]
        response = self._sequence.responses.get(event.response_id) or next(iter(found), None)
        if response is None:
            piece = Piece(command_id="", kind="own")
            response = Response(response_id="", piece=piece, alive_at=now, cut={})
            response.outcome = "unknown"
        self._note_call(response, event.call_id)

    def begun(self, event: SpeechBegun, now: float, *, only_ours: bool) -> bool:
        """Take in the begin of a response; return whether it is foreign.

        What is not ours is cancelled if only ours may be, and is foreign unless it is late.
        """
        response = self._response(event.response_id, now, event.command_id)
        if response is None:
            return False
        self._out.log("agent.started", response_id=event.response_id, command_id=event.command_id)
        if not only_ours or response.piece.kind != "own" or response.foreign:
            return False
        self._cancel(response)
        response.foreign = not self._sequence.gave_up(event.command_id)
        return response.foreign

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
        self._log_said(event, response)

    def called(self, event: ToolCalled, now: float) -> None:
        response = self._response(event.response_id, now)
        foreign = response is not None and response.foreign
        is_new = self._book.refused(event, _FOREIGN) if foreign else self._book.called(event)
        if response is None:
            return
        for found in self.calling:  # a call that was found, and this is its response
            if not found.response_id and event.call_id in found.calls:
                self.calling.remove(found)
                is_new = True
                break
        if is_new:
            self._note_call(response, event.call_id)

    def playback(self, event: Playback, now: float) -> None:
        is_start = isinstance(event, PlaybackStarted)
        is_known = event.response_id in self._sequence.responses
        if not (is_start or is_known or self._sequence.expecting):
            return  # the end of something that was said before we listened
        response = self._response(event.response_id, now)
        if response is None:
            return
        match event:
            case PlaybackStarted():
                response.started_at = now if response.started_at is None else response.started_at
            case PlaybackStopped():
                response.end_playback(response.played or "stopped", now)
            case PlaybackCleared():
                response.end_playback("cleared", now)
                self._interrupted(response)

    def truncated(self, event: Truncated) -> None:
        self._sequence.truncated(event.item_id, event.audio_ms)

    def done(self, event: SpeechDone, now: float) -> None:
        response = self._response(event.response_id, now, event.command_id)
        if response is None or response.done is not None:
            return
        response.done = event
        for item_id in event.item_ids:
            response.said.setdefault(item_id, "")
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

    def over(self, response: Response, outcome: str) -> None:
        """Note what became of a response: from now on nothing changes it."""
        response.outcome = outcome
        self._sequence.over(response)
        self._over.append(response.response_id)

    def _note_call(self, response: Response, call_id: str) -> None:
        response.calls.add(call_id)
        if response not in self.calling:
            self.calling.append(response)

    def _log_said(self, event: AgentSaid, response: Response | None) -> None:
        data = {
            "item_id": event.item_id,
            "response_id": event.response_id,
            "command_id": response.piece.command_id if response else "",
            "text": event.text,
        }
        self._out.log("agent.said", **data)
        self._turns.add("agent.said", data, 0)

    def _response(self, response_id: str, now: float, command_id: str = "") -> Response | None:
        """Return a response, new or known; None for one that is over."""
        if response_id in self._over:
            return None
        response = self._sequence.begun(response_id, command_id, now)
        response.alive_at, response.settles_at = now, None
        if response.piece.stopped:
            self._cancel(response)
        return response

    def _cancel(self, response: Response) -> None:
        if not response.cancelled:
            response.cancelled = True
            self._out.put(Send(command=CancelSpeech(response_id=response.response_id)))

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
