"""Who speaks when: one active response at a time, and what was heard of each.

Events of the provider are accepted in any order its documentation allows.
"""

from __future__ import annotations

__all__ = ["Piece", "Response", "Sequencer"]

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from agentfield.sessions.provider import SpeechDone
from agentfield.sessions.words import expected_seconds

BUSY_RETRY_SECONDS = 0.25
"""When the provider is busy with what we do not know of, it is asked again this soon."""
STALL_SECONDS = 30.0
"""A response that shows no sign of life for so long is given up."""
TRUNCATION_SECONDS = 0.5
"""How long the provider may take to say how much of a cut message was heard."""
SPARE_SECONDS = 15.0
FACTOR = 3.0


@dataclass(slots=True, kw_only=True, eq=False)
class Piece:
    """Something the agent is to say, asked for by somebody."""

    command_id: str
    kind: str
    """``say``, ``respond``, ``answer`` or ``continue``; ``own``: the provider's or client's own."""
    text: str | None = None
    instructions: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    attempt: int = 0
    """Of the handler that asked; 0: no handler did."""
    waits: str = ""
    """The command whose caller waits for its end; empty: nobody does."""
    give_up_at: float | None = None
    """When whoever waits is told that nobody knows; set when it is sent."""


@dataclass(slots=True, kw_only=True, eq=False)
class Response:
    """One response of the model, from its begin until nothing of it is heard any more."""

    response_id: str
    piece: Piece
    alive_at: float
    said: dict[str, str] = field(default_factory=dict)
    """Words by message; empty until they are known."""
    calls: set[str] = field(default_factory=set)
    """Tool calls of it."""
    done: SpeechDone | None = None
    started_at: float | None = None
    """When its playback began."""
    played: str = ""
    """``stopped``, ``cleared`` or nothing yet."""
    ended_at: float = 0.0
    """When it was stopped or cleared, or done if it is silent."""
    cut: dict[str, int] = field(default_factory=dict)
    """Milliseconds heard of its messages, where the provider said so."""
    cancelled: bool = False
    """We stopped it."""
    after_turn: bool = False
    """The user committed a turn after it had begun."""
    interrupted: bool = False
    """Its interruption was told of."""

    @property
    def generating(self) -> bool:
        return self.done is None

    @property
    def audible(self) -> bool:
        """Whether the user hears it, or may still."""
        return self.started_at is not None and not self.played

    def is_over(self, now: float) -> bool:
        """Return whether all is known of it that will be."""
        if self.done is None:
            return False
        if self.played == "stopped":
            return True
        if self.played == "cleared":
            known = all(item_id in self.cut for item_id in self.said)
            return known or now >= self.ended_at + TRUNCATION_SECONDS
        if self.started_at is not None:
            return False
        return not self.done.has_audio or self.done.status in {"cancelled", "failed"}

    def deadline(self) -> float:
        """Return when it is looked at again if nothing happens."""
        if self.done is not None and self.played == "cleared":
            return self.ended_at + TRUNCATION_SECONDS
        if self.done is None:
            return self.alive_at + STALL_SECONDS
        words = " ".join(self.said.values())
        return self.alive_at + FACTOR * expected_seconds(words) + SPARE_SECONDS


class Sequencer:
    """Queues what wants to speak; at most one response is generated at a time."""

    def __init__(self) -> None:
        self._queue: list[Piece] = []
        self._asked: Piece | None = None
        """Sent, and not begun yet."""
        self._asked_at = 0.0
        self._retry_at: float | None = None
        self.responses: dict[str, Response] = {}
        """Those that are not over, in the order of their begin."""

    @property
    def idle(self) -> bool:
        """Whether nothing is said, generated or waiting."""
        return not (self._queue or self._asked or self.responses)

    @property
    def speaking(self) -> bool:
        """Whether something is being generated or heard."""
        return any(r.generating or r.audible for r in self.responses.values())

    def pieces(self) -> Iterator[Piece]:
        """Yield everything that is not over."""
        yield from list(self._queue)
        if self._asked is not None:
            yield self._asked
        yield from [response.piece for response in self.responses.values()]

    def ask(self, piece: Piece) -> None:
        """Queue a piece."""
        self._queue.append(piece)

    def drop(self, pieces: Iterable[Piece]) -> list[Piece]:
        """Take pieces out that have not been sent; return them."""
        dropped = [piece for piece in pieces if piece in self._queue]
        self._queue = [piece for piece in self._queue if piece not in dropped]
        return dropped

    def next(self, now: float) -> Piece | None:
        """Return the piece to send now, if it is time for one."""
        waits = self._retry_at is not None and now < self._retry_at
        busy = self._asked is not None or any(r.generating for r in self.responses.values())
        if waits or busy or not self._queue:
            return None
        self._retry_at = None
        self._asked, self._asked_at = self._queue.pop(0), now
        if self._asked.text is not None:
            spare = FACTOR * expected_seconds(self._asked.text) + SPARE_SECONDS
            self._asked.give_up_at = self._asked.give_up_at or now + spare
        return self._asked

    def begun(self, response_id: str, command_id: str, now: float) -> Response:
        """Return a response, new or known; a piece of ours is recognised by its command id."""
        response = self.responses.get(response_id)
        if response is None:
            own = Piece(command_id="", kind="own")
            response = Response(response_id=response_id, piece=own, alive_at=now)
            self.responses[response_id] = response
        if command_id and self._asked is not None and self._asked.command_id == command_id:
            response.piece, self._asked = self._asked, None
        return response

    def refused(self, command_id: str, now: float) -> bool:
        """Queue the piece again that the provider was too busy for; return whether it was ours."""
        if self._asked is None or (command_id and self._asked.command_id != command_id):
            return False
        self._queue.insert(0, self._asked)
        self._asked = None
        self._retry_at = now + BUSY_RETRY_SECONDS
        return True

    def failed(self, command_id: str) -> Piece | None:
        """Forget the piece that the provider refused for good, and return it."""
        piece = self._asked
        if piece is None or piece.command_id != command_id:
            return None
        self._asked = None
        return piece

    def over(self, response: Response) -> None:
        """Forget a response."""
        self.responses.pop(response.response_id, None)

    def free(self) -> None:
        """Note that the provider is free again."""
        self._retry_at = None

    def overdue(self, now: float) -> tuple[list[Response], list[Piece]]:
        """Return the responses that show no sign of life, and pieces never begun, to give up."""
        responses = [
            r
            for r in self.responses.values()
            if now >= (r.piece.give_up_at or float("inf"))
            or (now >= r.deadline() and not r.is_over(now))
        ]
        piece = self._asked
        if piece is not None and now >= self._asked_deadline(piece):
            self._asked = None
            return responses, [piece]
        return responses, []

    def deadline(self) -> float:
        """Return when something is to be looked at again."""
        times = [r.deadline() for r in self.responses.values()]
        times += [r.piece.give_up_at for r in self.responses.values() if r.piece.give_up_at]
        if self._asked is not None:
            times.append(self._asked_deadline(self._asked))
        if self._retry_at is not None and self._queue:
            times.append(self._retry_at)
        return min(times, default=float("inf"))

    def _asked_deadline(self, piece: Piece) -> float:
        return min(piece.give_up_at or float("inf"), self._asked_at + STALL_SECONDS)
