"""One provider call, and what goes with it in this process."""

from __future__ import annotations

__all__ = ["PlacedCall", "replaced", "safety_identifier"]

import asyncio
import hashlib
from dataclasses import dataclass, field, replace

from agentfield.sessions.model import CallState, ProviderCall
from agentfield.sessions.ports import PutCall
from agentfield.sessions.provider import CallLink
from agentfield.v1 import errors

SAFETY_DIGITS = 32


@dataclass(slots=True, eq=False)
class PlacedCall:
    """A call from its offer until it is retired."""

    value: ProviderCall
    has_channel: bool = False
    """Its client has a data channel. Of a call that was adopted the log says so."""
    askers: list[asyncio.Future[bytes]] = field(default_factory=list)
    """Who waits for its answer."""
    closed: bool = False
    """The provider has said that it is over."""
    retired: bool = False
    """It is to end as soon as it can."""
    link: CallLink | None = None
    linking: asyncio.Task[None] | None = None
    taken_at: float | None = None
    """When it was taken; None: that was before, or it is not news any more."""
    heard_at: int = 0
    """When something was heard of it, by the store's clock; 0: nothing yet."""
    lost_at: int = 0
    """Since when, by that clock, nobody has listened any more; 0: it is linked, or was never."""

    def answer(self, answer: bytes | errors.AgentFieldError) -> None:
        """Answer whoever waits for the provider's answer."""
        for asker in self.askers:
            if asker.done():
                continue
            if isinstance(answer, bytes):
                asker.set_result(answer)
            else:
                asker.set_exception(answer)
        self.askers.clear()

    def over(self, state: CallState, at: int) -> PutCall:
        """Note that it is over for good, and return what is to be stored."""
        self.value = replace(self.value, state=state, ended_at=at)
        return PutCall(call=self.value)


def replaced(session_id: str) -> errors.SessionAlreadyConnected:
    """Return the error of whoever waits for the answer to an offer that another one replaced."""
    return errors.SessionAlreadyConnected(
        "Another offer was taken in place of this one.", metadata={"session_id": session_id}
    )


def safety_identifier(session_id: str) -> str:
    """Return who speaks, as providers may know it: nobody, but the same for one session."""
    return hashlib.sha256(session_id.encode()).hexdigest()[:SAFETY_DIGITS]
