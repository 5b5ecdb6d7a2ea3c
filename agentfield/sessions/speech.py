"""Who speaks when: one active response at a time.

Events of the provider are accepted in any order its documentation allows.
"""

from __future__ import annotations

__all__ = ["REMEMBERED", "Sequencer"]

import math
from collections import deque
from collections.abc import Iterable, Iterator

from agentfield.sessions.pieces import FACTOR, SPARE_SECONDS, STALL_SECONDS, Piece, Response
from agentfield.sessions.words import expected_seconds

BUSY_RETRY_SECONDS = 0.25
"""When the provider is busy with what we do not know of, it is asked again this soon."""
REMEMBERED = 64


class Sequencer:
    """Queues what wants to speak; at most one response is generated at a time."""

    def __init__(self) -> None:
        self._queue: list[Piece] = []
        self._asked: Piece | None = None
        """Sent, and not begun yet."""
        self._adrift: list[Piece] = []
        """Sent and not begun when the link was lost."""
        self._retry_at: float | None = None
        self._given_up: deque[str] = deque(maxlen=REMEMBERED)
        """Commands whose begin nobody waits for any more."""
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
        return self._asked is not None or bool(self._adrift)

    def pieces(self) -> Iterator[Piece]:
        """Yield everything that is not over."""
        yield from self.waiting()
        yield from [response.piece for response in self.responses.values()]

    def waiting(self) -> Iterator[Piece]:
        """Yield what has not begun."""
        yield from list(self._queue)
        yield from self._sent()

    def ask(self, piece: Piece) -> None:
        """Queue a piece."""
        self._queue.append(piece)

    def drop(self, pieces: Iterable[Piece]) -> None:
        """Take those of the pieces out that are not with the provider."""
        dropped = list(pieces)
        self._queue = [piece for piece in self._queue if piece not in dropped]

    def stop(self) -> list[Piece]:
        """Stop what is under way and has not begun; return what is over by that."""
        for piece in self._sent():
            piece.stopped = True
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
        self._asked, piece.asked_at, piece.under_way = piece, now, True
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
        piece = self._taken(command_id)
        if piece is not None:
            # What is said from now on follows whatever the user has said until now.
            response.piece, piece.after_turn = piece, False
        return response

    def gave_up(self, command_id: str) -> bool:
        """Return whether a response is one of ours, of whose begin nothing was told for long."""
        return bool(command_id) and command_id in self._given_up

    def restore(self, responses: Iterable[Response], asked: Iterable[Piece]) -> None:
        """Go on with what was under way when nobody listened."""
        for response in responses:
            response.cut = self._cut
            self.responses[response.response_id] = response
        self._adrift += asked
        self.cast_adrift()

    def found(self, response_id: str, now: float) -> Response | None:
        """Return the response that words belong to which were found; None: nobody knows which.

        Without a response that is known it is that of the one piece which was sent and is adrift.
        """
        known = self.responses.get(response_id)
        if known is not None or len(self._adrift) != 1:
            return known
        (piece,) = self._adrift
        if piece.found is None:
            piece.found = Response(response_id="", piece=piece, alive_at=now, cut=self._cut)
        return piece.found

    def cast_adrift(self) -> None:
        """Note that the link is gone: what becomes of what the provider has is not told now."""
        self._adrift += [self._asked] if self._asked else []
        self._asked = self._retry_at = None
        for each in self._under_way():
            each.settles_at = math.inf
        for response in self.responses.values():
            response.missed = True

    def settle(self, now: float) -> None:
        """Note that there is a link again: what still is under way is told of soon."""
        for each in self._under_way():
            if each.settles_at is not None:
                each.settle(now)

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
        return self._taken(command_id)

    def over(self, response: Response) -> None:
        """Forget a response."""
        self.responses.pop(response.response_id, None)

    def free(self) -> None:
        """Note that the provider is free again."""
        self._retry_at = None

    def forget(self) -> list[Piece]:
        """Forget what is with the provider, and return it; what waits for its time still does."""
        pieces = [response.piece for response in self.responses.values()]
        pieces += self._sent()
        self.responses.clear()
        self._adrift.clear()
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
        lost = [piece for piece in self._adrift if _is_late(piece, now) or _has_settled(piece, now)]
        self._adrift = [piece for piece in self._adrift if piece not in lost]
        given_up = [*pieces, *lost]
        self._given_up.extend(piece.command_id for piece in given_up)
        return responses, given_up

    def deadline(self) -> float:
        """Return when something is to be looked at again."""
        times = [r.deadline() for r in self.responses.values()]
        times += [piece.give_up_at for piece in self.pieces() if piece.give_up_at is not None]
        times += [piece.settles_at for piece in self._adrift if piece.settles_at is not None]
        if self._asked is not None:
            times.append(self._asked_deadline(self._asked))
        if self._retry_at is not None and self._queue and not self._is_busy:
            times.append(self._retry_at)
        return min(times, default=math.inf)

    @property
    def _is_busy(self) -> bool:
        # Of what is adrift nobody knows: if it still is generated, the provider says it is busy.
        known = [r for r in self.responses.values() if r.settles_at is None]
        return self._asked is not None or any(response.generating for response in known)

    def _under_way(self) -> Iterator[Response | Piece]:
        yield from self.responses.values()
        yield from self._adrift

    def _sent(self) -> list[Piece]:
        """Return what is with the provider and has not begun."""
        return [*([self._asked] if self._asked else []), *self._adrift]

    def _taken(self, command_id: str) -> Piece | None:
        """Return the piece of a command that is with the provider, which it is no longer."""
        piece = next((each for each in self._sent() if each.command_id == command_id), None)
        if piece is None or not command_id:
            return None
        self._asked = None if piece is self._asked else self._asked
        self._adrift = [each for each in self._adrift if each is not piece]
        piece.settles_at = None
        return piece

    def _asked_deadline(self, piece: Piece) -> float:
        stalled_at = piece.asked_at + STALL_SECONDS
        return stalled_at if piece.give_up_at is None else min(piece.give_up_at, stalled_at)


def _has_settled(piece: Piece, now: float) -> bool:
    return piece.settles_at is not None and now >= piece.settles_at


def _is_late(piece: Piece, now: float) -> bool:
    return piece.give_up_at is not None and now >= piece.give_up_at
