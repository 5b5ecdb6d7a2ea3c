"""What was under way when nobody listened any more: one fold of a session's log."""

from __future__ import annotations

__all__ = ["Recalling"]

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from agentfield.contract.turns import HeardTurn
from agentfield.sessions.effects import Resolve, Updated
from agentfield.sessions.outcomes import outcome_of, what_was_spoken
from agentfield.sessions.pieces import HeardPart, Piece, Response
from agentfield.sessions.provider import SpeechDone

Data = Mapping[str, Any]


class Recalling:
    """Is told the events of a log in their order; knows then what has no end in it.

    Of the handler's commands it knows those of the latest attempt. Events of older logs lack what
    has been added to them since: what they were part of is told as unknown.
    """

    def __init__(self, *, speaks: bool) -> None:
        self._speaks = speaks
        self._asked: dict[str, Piece] = {}
        """Sent, and not begun, by their command ids."""
        self._responses: dict[str, Response] = {}
        self._gone_on: set[str] = set()
        """Responses after which the model was asked to go on."""
        self._requests: dict[str, Piece] = {}
        """The latest piece for each of the handler's commands."""
        self._failed: set[str] = set()
        self._answers: dict[str, bool | Updated] = {}
        self.unasked_turn = False
        """The user's latest turn came after the latest request for speech."""
        self.targets: dict[str, str] = {}
        """What the calls of tools were made to, by their call ids."""
        self.provider_call_id = ""
        self._takes: Mapping[str, Callable[[Data, float, HeardTurn | None], None]] = {
            "session.connecting": self._connecting,
            "agent.asked": self._was_asked,
            "agent.started": self._started,
            "agent.said": self._said,
            "agent.interrupted": self._interrupted,
            "agent.heard": self._heard,
            "agent.stopped": self._stopped,
            "response.done": self._done,
            "tool.called": self._called,
            "tool.refused": self._called,
            "turn.committed": self._committed,
            "configuration.changed": self._changed,
            "handler.lost": self._superseded,
            "provider.error": self._error,
        }

    def add(self, type_: str, data: Data, moment: float, turn: HeardTurn | None) -> None:
        """Take in an event; ``moment`` is when it was, ``turn`` what it made of a turn."""
        take = self._takes.get(type_)
        if take is not None:
            take(data, moment, turn)

    # --- what there is then ---

    def asked(self) -> list[Piece]:
        """Return what was sent and has not begun."""
        return list(self._asked.values())

    def open(self) -> list[Response]:
        """Return the responses of whose end nothing is known."""
        return [response for response in self._responses.values() if not _is_over(response)]

    def over(self) -> list[str]:
        """Return the ids of the responses that are over."""
        return [response.response_id for response in self._responses.values() if _is_over(response)]

    def calling(self) -> list[Response]:
        """Return the responses that called tools, after which the model was not asked to go on."""
        calling = [response for response in self._responses.values() if response.calls]
        for response in calling:
            if _is_over(response):
                response.outcome = response.outcome or outcome_of(response)
        return [response for response in calling if response.response_id not in self._gone_on]

    def requests(self) -> frozenset[str]:
        """Return the handler's commands that were taken."""
        return frozenset([*self._requests, *self._answers])

    def answers(self) -> Iterator[Resolve]:
        """Yield what became of those of the handler's commands that are over."""
        for command_id, answer in self._answers.items():
            yield Resolve(command_id=command_id, result=answer)
        under_way = [*self._asked.values(), *(r.piece for r in (*self.open(), *self.calling()))]
        for command_id, piece in self._requests.items():
            if piece not in under_way:
                yield Resolve(command_id=command_id, result=self._outcome(piece))

    def _outcome(self, piece: Piece) -> Any:
        if piece.command_id in self._failed:
            return what_was_spoken(piece, None, "failed")
        for response in self._responses.values():
            if response.piece is piece:
                outcome = response.outcome or outcome_of(response)
                return what_was_spoken(piece, response, outcome)
        return what_was_spoken(piece, None, "unknown")

    # --- what is told ---

    def _connecting(self, data: Data, _moment: float, _turn: HeardTurn | None) -> None:
        if data.get("provider_call_id") == self.provider_call_id:
            return
        self.provider_call_id = data.get("provider_call_id", "")
        for kept in (self._asked, self._responses, self._gone_on, self.targets):
            kept.clear()

    def _was_asked(self, data: Data, moment: float, _turn: HeardTurn | None) -> None:
        before = self._responses.get(data.get("after") or "")
        piece = Piece(
            command_id=data["command_id"],
            kind=data["kind"],
            text=data.get("text"),
            instructions=data.get("instructions"),
            metadata=data.get("metadata") or {},
            attempt=data.get("attempt", 0),
            waits=data.get("request") or "",
            asked_at=moment,
            under_way=True,
            turn=before.piece.turn if before else None,
        )
        self._asked[piece.command_id] = piece
        self.unasked_turn = False
        if before is not None:
            self._gone_on.add(before.response_id)
        if piece.waits:
            self._requests[piece.waits] = piece

    def _started(self, data: Data, moment: float, _turn: HeardTurn | None) -> None:
        response = self._response(data, moment)
        piece = self._asked.pop(data.get("command_id") or "", None)
        if piece is not None:
            response.piece, piece.after_turn = piece, False
        self.unasked_turn = False

    def _said(self, data: Data, moment: float, _turn: HeardTurn | None) -> None:
        if data.get("response_id"):
            self._response(data, moment).said[data["item_id"]] = data["text"]

    def _interrupted(self, data: Data, moment: float, _turn: HeardTurn | None) -> None:
        self._response(data, moment).interrupted = True

    def _heard(self, data: Data, moment: float, turn: HeardTurn | None) -> None:
        response = self._response(data, moment)
        part = HeardPart(
            item_id=data["item_id"],
            text=data["text"],
            full_text=data["full_text"],
            milliseconds=data["heard_ms"],
        )
        response.said[part.item_id] = part.full_text
        response.heard.append(part)
        response.outcome, response.piece.turn = data["outcome"], turn

    def _stopped(self, data: Data, _moment: float, _turn: HeardTurn | None) -> None:
        self._answers[data["request"]] = data["stopped"]
        for piece in self._asked.values():
            piece.stopped = True
        for response in (*self.open(), *self.calling()):
            response.cancelled = True

    def _done(self, data: Data, moment: float, _turn: HeardTurn | None) -> None:
        self._response(data, moment).done = SpeechDone(
            response_id=data["response_id"],
            status=data["status"],
            reason=data["reason"],
            has_audio=self._speaks,
        )

    def _called(self, data: Data, moment: float, _turn: HeardTurn | None) -> None:
        if data.get("source") != "model":
            return
        self.targets[data["call_id"]] = data.get("target", "")
        if data.get("response_id"):
            self._response(data, moment).calls.add(data["call_id"])

    def _committed(self, _data: Data, _moment: float, _turn: HeardTurn | None) -> None:
        self.unasked_turn = True
        for piece in (*self._asked.values(), *(r.piece for r in self._responses.values())):
            piece.after_turn = True

    def _changed(self, data: Data, _moment: float, _turn: HeardTurn | None) -> None:
        if request := data.get("request"):
            self._answers[request] = Updated(tool_targets=data["tool_targets"])

    def _superseded(self, _data: Data, _moment: float, _turn: HeardTurn | None) -> None:
        for piece in self._requests.values():
            piece.last, piece.waits = True, ""
        self._requests.clear()
        self._answers.clear()

    def _error(self, data: Data, _moment: float, _turn: HeardTurn | None) -> None:
        if self._asked.pop(data.get("command_id") or "", None) is not None:
            self._failed.add(data["command_id"])

    def _response(self, data: Data, moment: float) -> Response:
        response_id: str = data["response_id"]
        found = self._responses.get(response_id)
        if found is None:
            piece = Piece(command_id="", kind="own")
            found = Response(response_id=response_id, piece=piece, alive_at=moment, cut={})
            found.started_at = moment if self._speaks else None
            self._responses[response_id] = found
        return found


def _is_over(response: Response) -> bool:
    """Return whether a response has its end: it was heard, or there was nothing to be heard."""
    return bool(response.outcome) or (response.done is not None and not response.said)
