"""Whether the client of a session is still there, as far as its watches tell."""

from __future__ import annotations

__all__ = ["Presence"]

from collections.abc import Sequence

from agentfield.live.inbox import Step
from agentfield.live.orders import Order
from agentfield.live.whole import Whole
from agentfield.sessions.model import EndReason


class Presence:
    """Counts the watches that were opened with the session's token."""

    def __init__(self, session: Whole) -> None:
        self._session = session
        self._watches = 0

    def changed(self, by: int) -> Step:
        """Return the step that notes that there are more or fewer watches."""

        def step(now: float) -> Sequence[Order]:
            session = self._session
            self._watches += by
            if self._watches or session.value.is_over:
                session.alarms.cancel("presence")
            else:
                detail = "the client's last watch was gone"
                lost = session.end_because(EndReason.CLIENT_LOST, detail)
                session.alarms.set("presence", now + session.shared.presence_grace, lost)
            return []

        return step
