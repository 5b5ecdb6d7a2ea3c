"""The parts that a conversation is made of."""

from __future__ import annotations

__all__ = ["Parts", "parts_of"]

from collections.abc import Callable
from dataclasses import dataclass

from agentfield.contract.turns import Turns
from agentfield.sessions.configuring import Configuring
from agentfield.sessions.effects import Outbox
from agentfield.sessions.listening import Listening
from agentfield.sessions.model import Session
from agentfield.sessions.provider import Capabilities
from agentfield.sessions.speaking import Speaking
from agentfield.sessions.tampering import Tampering
from agentfield.sessions.toolbook import ToolBook


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the sides of one conversation share; what any of them decides goes to the outbox."""

    outbox: Outbox
    turns: Turns
    configuring: Configuring
    book: ToolBook
    speaking: Speaking
    listening: Listening
    tampering: Tampering


def parts_of(
    session: Session, *, capabilities: Capabilities, new_id: Callable[[str], str]
) -> Parts:
    """Return the parts of a session's conversation."""
    declaration, outbox, turns = session.declaration, Outbox(), Turns()
    configuring = Configuring(outbox, session=session, capabilities=capabilities)
    book = ToolBook(
        outbox,
        session_id=session.session_id,
        declaration=declaration,
        tools=lambda: configuring.tools,
        new_id=new_id,
    )
    listening = Listening(
        outbox,
        turns=turns,
        transcribed=declaration.transcription is not None,
        transcript_timeout=declaration.limits.transcript_timeout,
    )
    return Parts(
        outbox=outbox,
        turns=turns,
        configuring=configuring,
        book=book,
        speaking=Speaking(outbox, turns=turns, book=book, new_id=new_id),
        listening=listening,
        tampering=Tampering(outbox),
    )
