"""Whether the client of a session is still there, as far as its watches tell."""

from __future__ import annotations

__all__ = ["Presence"]

from collections.abc import Mapping, Sequence
from typing import Any

from agentfield.live.inbox import Step
from agentfield.live.orders import Order
from agentfield.live.whole import Whole
from agentfield.sessions import ports
from agentfield.sessions.model import EndReason


class Presence:
    """Counts the watches that were opened with the session's token."""

    def __init__(self, session: Whole) -> None:
        self._session = session
        self._watches = 0
        self._is_watched: bool | None = None
        """As the log has it; None: it was never watched."""

    def replay(self, type_: str, data: Mapping[str, Any]) -> None:
        """Take in an event of the log."""
        if type_ == "client.watching":
            self._is_watched = bool(data["watching"])

    def await_return(self, now: float) -> None:
        """Give a client that was there the time to come back."""
        if self._is_watched is not None:
            self._expect(now)

    def changed(self, by: int) -> Step:
        """Return the step that notes that there are more or fewer watches."""

        def step(now: float) -> Sequence[Order]:
            session = self._session
            self._watches += by
            if session.value.is_over:
                return []
            if self._watches:
                session.alarms.cancel("presence")
            else:
                self._expect(now)
            if self._is_watched is bool(self._watches):
                return []
            self._is_watched = bool(self._watches)
            return [ports.Append(type="client.watching", data={"watching": self._is_watched})]

        return step

    def _expect(self, now: float) -> None:
        session = self._session
        detail = "the client's last watch was gone"
        lost = session.end_because(EndReason.CLIENT_LOST, detail)
        session.alarms.set("presence", now + session.shared.presence_grace, lost)
