"""Who speaks when: one active response at a time, and what was heard of each.

Events of the provider are accepted in any order its documentation allows.
"""

from __future__ import annotations

__all__ = ["HeardPart", "Piece", "Response", "Sequencer"]

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from agentfield.contract.turns import HeardTurn
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
REMEMBERED = 64


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
    under_way: bool = False
    """It was sent already, or goes on with what was; else it only waits for its time."""
    stopped: bool = False
    """It was stopped before it had begun."""
    after_turn: bool = False
    """The user committed a turn after it was asked for, or had begun."""
    last: bool = False
    """Nobody wants it to go on after its tools."""
    turn: HeardTurn | None = None
    """What was heard of it so far, before its tools."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardPart:
    """What was heard of one message."""

    item_id: str
    text: str
    full_text: str
    milliseconds: int | None
    """None: it was not played."""


@dataclass(slots=True, kw_only=True, eq=False)
class Response:
    """One response of the model, from its begin until nothing of it is heard any more."""

    response_id: str
    piece: Piece
    alive_at: float
    cut: Mapping[str, int]
    """Milliseconds heard of messages, of this and other responses, where the provider said so."""
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
    cancelled: bool = False
    """We stopped it."""
    interrupted: bool = False
    """Its interruption was told of."""
    outcome: str = ""
    """What became of it; empty until it is over."""
    heard: list[HeardPart] = field(default_factory=list)
    """What was heard of it, once it is over."""

    @property
    def generating(self) -> bool:
        return self.done is None

    @property
    def audible(self) -> bool:
        """Whether the user hears it, or may still."""
        if self.played:
            return False
        return self.started_at is not None or (self.done is not None and self._is_to_be_played)

    @property
    def goes_on(self) -> bool:
        """Whether the model is to go on once its calls are answered."""
        overtaken = self.interrupted and self.piece.after_turn
        return not (overtaken or self.cancelled or self.piece.last)

    def is_over(self, now: float) -> bool:
        """Return whether all is known of it that will be."""
        if self.done is None:
            return False
        if self.played == "stopped":
            return True
        if self.played == "cleared":
            known = all(item_id in self.cut for item_id in self.said)
            return known or now >= self.ended_at + TRUNCATION_SECONDS
        return self.started_at is None and not self._is_to_be_played

    def deadline(self) -> float:
        """Return when it is looked at again if nothing happens."""
        if self.done is not None and self.played == "cleared":
            return self.ended_at + TRUNCATION_SECONDS
        if self.done is None:
            return self.alive_at + STALL_SECONDS
        words = " ".join(self.said.values())
        return self.alive_at + FACTOR * expected_seconds(words) + SPARE_SECONDS

    @property
    def _is_to_be_played(self) -> bool:
        done = self.done
        return done is not None and done.has_audio and done.status not in {"cancelled", "failed"}


class Sequencer:
    """Queues what wants to speak; at most one response is generated at a time."""

    def __init__(self) -> None:
        self._queue: list[Piece] = []
        self._asked: Piece | None = None
        """Sent, and not begun yet."""
        self._asked_at = 0.0
        self._retry_at: float | None = None
        self._cut: dict[str, int] = {}
        self.responses: dict[str, Response] = {}
        """Those that are not over, in the order of their begin."""

    @property
    def speaking(self) -> bool:
        """Whether something is being generated or heard."""
        return any(r.generating or r.audible for r in self.responses.values())

    @property
    def expecting(self) -> bool:
        """Whether a piece was sent that has not begun yet."""
        return self._asked is not None

    def pieces(self) -> Iterator[Piece]:
        """Yield everything that is not over."""
        yield from self.waiting()
        yield from [response.piece for response in self.responses.values()]

    def waiting(self) -> Iterator[Piece]:
        """Yield what has not begun."""
        yield from list(self._queue)
        if self._asked is not None:
            yield self._asked

    def ask(self, piece: Piece) -> None:
        """Queue a piece."""
        self._queue.append(piece)

    def drop(self, pieces: Iterable[Piece]) -> None:
        """Take those of the pieces out that are not with the provider."""
        dropped = list(pieces)
        self._queue = [piece for piece in self._queue if piece not in dropped]

    def stop(self) -> list[Piece]:
        """Stop what is under way and has not begun; return what is over by that."""
        if self._asked is not None:
            self._asked.stopped = True
        stopped = [piece for piece in self._queue if piece.under_way]
        self.drop(stopped)
        return stopped

    def next(self, now: float) -> Piece | None:
        """Return the piece to send now, if it is time for one."""
        waits = self._retry_at is not None and now < self._retry_at
        if waits or self._is_busy or not self._queue:
            return None
        self._retry_at = None
        piece = self._queue.pop(0)
        self._asked, self._asked_at, piece.under_way = piece, now, True
        if piece.text is not None and piece.give_up_at is None:
            piece.give_up_at = now + FACTOR * expected_seconds(piece.text) + SPARE_SECONDS
        return piece

    def begun(self, response_id: str, command_id: str, now: float) -> Response:
        """Return a response, new or known; a piece of ours is recognised by its command id."""
        response = self.responses.get(response_id)
        if response is None:
            own = Piece(command_id="", kind="own")
            response = Response(response_id=response_id, piece=own, alive_at=now, cut=self._cut)
            self.responses[response_id] = response
        if command_id and self._asked is not None and self._asked.command_id == command_id:
            # What is said from now on follows whatever the user has said until now.
            response.piece, self._asked = self._asked, None
            response.piece.after_turn = False
        return response

    def truncated(self, item_id: str, milliseconds: int) -> None:
        """Note how much of a message was heard."""
        self._cut[item_id] = milliseconds
        if len(self._cut) > REMEMBERED:
            del self._cut[next(iter(self._cut))]

    def refused(self, command_id: str, now: float) -> Piece | None:
        """Queue the piece again that the provider was too busy for; return one that is over."""
        piece = self._asked
        if piece is None or command_id not in {"", piece.command_id}:
            return None
        self._asked = None
        if piece.stopped:
            return piece
        self._queue.insert(0, piece)
        self._retry_at = now + BUSY_RETRY_SECONDS
        return None

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

    def forget(self) -> list[Piece]:
        """Forget what is with the provider, and return it; what waits for its time still does."""
        pieces = [response.piece for response in self.responses.values()]
        pieces += [self._asked] if self._asked else []
        self.responses.clear()
        self._asked = self._retry_at = None
        return pieces

    def overdue(self, now: float) -> tuple[list[Response], list[Piece]]:
        """Return the responses that show no sign of life, and pieces never begun, to give up."""
        responses = [
            r
            for r in self.responses.values()
            if _is_late(r.piece, now) or (now >= r.deadline() and not r.is_over(now))
        ]
        pieces = [piece for piece in self._queue if _is_late(piece, now)]
        self.drop(pieces)
        if self._asked is not None and now >= self._asked_deadline(self._asked):
            pieces.append(self._asked)
            self._asked = None
        return responses, pieces

    def deadline(self) -> float:
        """Return when something is to be looked at again."""
        times = [r.deadline() for r in self.responses.values()]
        times += [piece.give_up_at for piece in self.pieces() if piece.give_up_at is not None]
        if self._asked is not None:
            times.append(self._asked_deadline(self._asked))
        if self._retry_at is not None and self._queue and not self._is_busy:
            times.append(self._retry_at)
        return min(times, default=math.inf)

    @property
    def _is_busy(self) -> bool:
        return self._asked is not None or any(r.generating for r in self.responses.values())

    def _asked_deadline(self, piece: Piece) -> float:
        stalled_at = self._asked_at + STALL_SECONDS
        return stalled_at if piece.give_up_at is None else min(piece.give_up_at, stalled_at)


def _is_late(piece: Piece, now: float) -> bool:
    return piece.give_up_at is not None and now >= piece.give_up_at
