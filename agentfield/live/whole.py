"""A running session as its parts see it: what they share, and what each may ask of the whole."""

from __future__ import annotations

__all__ = ["Shared", "Whole"]

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agentfield.executions.model import Failure
from agentfield.executions.ports import Hints
from agentfield.live.errands import Errands
from agentfield.live.feed import Feeds
from agentfield.live.inbox import Alarms, Step
from agentfield.live.leases import Lease
from agentfield.live.observing import Observer
from agentfield.live.orders import Order
from agentfield.live.streams import Streams
from agentfield.live.toolruns import ToolRuns
from agentfield.sessions import ports
from agentfield.sessions.conversation import Conversation
from agentfield.sessions.model import EndReason, Session
from agentfield.sessions.provider import Provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What all sessions of a process share."""

    store: ports.Store
    feeds: Feeds
    hints: Hints
    workers: ports.Workers
    elsewhere: ports.Elsewhere
    lease: Lease
    streams: Streams
    runs: ToolRuns
    providers: Mapping[tuple[str, str], Provider]
    agent_grace: float
    """Seconds that a handler's stream may be away."""
    presence_grace: float
    """Seconds that the client's last watch may be away."""


class Whole(Protocol):
    """The session that a part belongs to."""

    shared: Shared
    value: Session
    """As the steps so far have made it."""
    provider: Provider
    conversation: Conversation
    alarms: Alarms
    errands: Errands
    observer: Observer

    @property
    def provider_call_id(self) -> str:
        """The id of the current provider call; empty without one."""

    async def post(self, step: Step) -> None:
        """Have a step taken, some time soon; none is taken once the session's task has ended."""

    async def perform(self, step: Step) -> None:
        """Have a step taken, and return when all it ordered is done."""

    def owe(self) -> asyncio.Future[Any]:
        """Return a future for a step to answer; the end of the session's task answers it, too."""

    def end(self, reason: EndReason, detail: str, now: float) -> Sequence[Order]:
        """End the session; the first reason counts."""

    def end_because(self, reason: EndReason, detail: str) -> Step:
        """Return the step that ends the session for a reason."""

    def close_root(self, failure: Failure | None = None) -> Sequence[Order]:
        """Close the root execution, and with it the session's task once its calls are settled."""

    def heard_something(self, now: float) -> None:
        """Note that the session is not idle."""
