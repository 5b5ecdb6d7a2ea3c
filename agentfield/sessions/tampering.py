"""What a client changes that is not its to change: told each time, and endured only so often."""

from __future__ import annotations

__all__ = ["MAX_TAMPERING", "Tampering"]

from agentfield.sessions.effects import End, Outbox
from agentfield.sessions.model import EndReason

MAX_TAMPERING = 3


class Tampering:
    """Counts."""

    def __init__(self, outbox: Outbox) -> None:
        self._out = outbox
        self._count = 0

    def replay(self, type_: str) -> None:
        """Take in an event of the log."""
        self._count += type_ == "client.tampering"

    def notice(self, what: str, detail: str = "") -> None:
        """Note that something was changed; too often ends the session.

        ``detail`` says which it was, never what is in it.
        """
        self._count += 1
        self._out.log("client.tampering", what=what, detail=detail, count=self._count)
        if self._count >= MAX_TAMPERING:
            detail = "the client tampered with the conversation over its data channel"
            self._out.put(End(reason=EndReason.CLIENT_TAMPERING, detail=detail))
