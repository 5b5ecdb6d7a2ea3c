"""Whether the client of a session is still there, as far as its watches tell."""

from __future__ import annotations

__all__ = ["Presence"]

from collections.abc import Mapping, Sequence
from typing import Any

from agentfield.live.orders import Order
from agentfield.live.whole import Whole
from agentfield.sessions import ports
from agentfield.sessions.model import EndReason
from agentfield.sessions.sharing import Following, FollowRole


class Presence:
    """Looks for watches that were opened with the session's token."""

    def __init__(self, session: Whole) -> None:
        self._session = session
        self._is_watched: bool | None = None
        """As the log has it; None: it was never watched."""

    def replay(self, type_: str, data: Mapping[str, Any]) -> None:
        """Take in an event of the log."""
        if type_ == "client.watching":
            self._is_watched = bool(data["watching"])

    def await_return(self, now: float) -> Sequence[Order]:
        """Give a client that was there the time to come back."""
        if self._is_there:
            return self.look(now)
        if self._is_watched is not None:
            self._expect(now)
        return []

    def look(self, now: float) -> Sequence[Order]:
        """See whether the client watches; once it has, it is not to stay away for long."""
        session, is_there = self._session, self._is_there
        if session.value.is_over:
            return []
        if is_there:
            session.alarms.cancel("presence")
        elif self._is_watched:
            self._expect(now)
        if bool(self._is_watched) is is_there:
            return []
        self._is_watched = is_there
        return [ports.Append(type="client.watching", data={"watching": is_there})]

    # --- inside ---

    @property
    def _is_there(self) -> bool:
        session_id = self._session.value.session_id
        client = Following(session_id=session_id, role=FollowRole.CLIENT)
        return self._session.shared.streams.has(client)

    def _expect(self, now: float) -> None:
        session = self._session
        lost = session.end_because(EndReason.CLIENT_LOST, "the client's last watch was gone")
        session.alarms.set("presence", now + session.shared.presence_grace, lost)
