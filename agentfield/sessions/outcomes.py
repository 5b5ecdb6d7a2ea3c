"""What became of a response: how it ended, and which of its words were heard."""

from __future__ import annotations

__all__ = ["heard_parts", "outcome_of", "spoken_words", "what_was_spoken"]

from agentfield.sessions.effects import Spoken
from agentfield.sessions.pieces import HeardPart, Piece, Response
from agentfield.sessions.words import expected_seconds, heard_words, same_words


def outcome_of(response: Response) -> str:
    """Return how a response ended that is over."""
    status = response.done.status if response.done else ""
    if response.played == "cleared" or status == "cancelled":
        is_users = response.played == "cleared" or response.interrupted
        return "interrupted" if is_users and not response.cancelled else "cancelled"
    return "failed" if status == "failed" else "completed"


def spoken_words(response: Response) -> str:
    """Return all that a response says."""
    return " ".join(filter(None, response.said.values()))


def heard_parts(response: Response, now: float) -> list[HeardPart]:
    """Return what was heard of each message; where it is not known, it is estimated by time."""
    left = _played_milliseconds(response, now)
    parts = []
    for number, (item_id, text) in enumerate(response.said.items(), start=1):
        milliseconds = response.cut.get(item_id, left)
        if left is not None:
            if item_id not in response.cut and number < len(response.said):
                milliseconds = min(left, round(expected_seconds(text) * 1000))
            left = max(0, left - (milliseconds or 0))
        heard = text if response.outcome == "completed" else heard_words(text, milliseconds or 0)
        parts.append(
            HeardPart(item_id=item_id, text=heard, full_text=text, milliseconds=milliseconds)
        )
    return parts


def what_was_spoken(piece: Piece, response: Response | None, outcome: str) -> Spoken:
    """Return what whoever waits for a piece is told."""
    spoken = spoken_words(response) if response else ""
    parts = response.heard if response else []
    turn = piece.turn
    heard = " ".join(filter(None, (part.text for part in parts)))
    if not parts and turn is not None:
        heard = turn.text or ""
    return Spoken(
        text=piece.text or "",
        spoken_text=spoken,
        verbatim=piece.text is not None and same_words(piece.text, spoken),
        heard_text=heard,
        heard_ms=sum(part.milliseconds or 0 for part in parts),
        estimated=bool(turn and turn.estimated),
        outcome=outcome,
        turn=turn,
    )


def _played_milliseconds(response: Response, now: float) -> int | None:
    if response.started_at is None:
        return None
    until = response.ended_at if response.played else now
    return round((until - response.started_at) * 1000)
