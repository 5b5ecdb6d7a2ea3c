"""Who decides what is said to a turn of the user."""

from __future__ import annotations

__all__ = ["Leader", "leader_of"]

from enum import Enum, auto

from agentfield.sessions.model import HandlerState, Session


class Leader(Enum):
    """Who decides what is said to a turn of the user."""

    HANDLER = auto()
    """Nothing is spoken unless it says so."""
    MODEL = auto()
    """We ask the model to answer each turn."""
    PROVIDER = auto()
    """The model answers by itself."""
    NOBODY = auto()
    """The model never answers on its own."""


def leader_of(session: Session) -> Leader:
    """Return who leads a session's conversation, as its handler is now."""
    if session.handler is HandlerState.RUNNING:
        return Leader.HANDLER
    if not session.declaration.answers:
        return Leader.NOBODY
    return Leader.MODEL if session.declaration.has_handler else Leader.PROVIDER
