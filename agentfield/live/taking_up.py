"""A session that ran before this process, or in another one, taken up from what is stored."""

from __future__ import annotations

__all__ = ["Left", "current_call", "taken_up"]

from collections.abc import Sequence
from dataclasses import dataclass

from agentfield.live.orders import Order
from agentfield.live.session import LiveSession
from agentfield.sessions import ports
from agentfield.sessions.model import (
    CallState,
    EndReason,
    ProviderCall,
    Session,
    State,
    ToolCall,
    unconnected,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What is left of a session, beside its log."""

    call: ProviderCall | None
    """The call that goes on; None: there is none, or nobody can be heard in it."""
    tool_calls: Sequence[ToolCall] = ()
    """Of that call."""
    heard_at: int = 0
    """When the last event was stored."""
    failure: Exception | None = None
    """What is wrong with its log."""


def current_call(session: Session, calls: Sequence[ProviderCall]) -> ProviderCall | None:
    """Return the call that a session goes on with: the newest, if its client has the answer."""
    for call in calls:
        is_current = call.generation == session.generation and call.state is CallState.OPEN
        if is_current and call.answer_sdp is not None and not session.is_over:
            return call
    return None


def taken_up(running: LiveSession, left: Left, now: float) -> Sequence[Order]:
    """Go on with a session whose log was replayed. Raises what was wrong with it."""
    if left.failure is not None:
        if left.call is not None:  # it is hung up when the session ends for that
            running.calls.adopt(left.call, left.heard_at, now)
        raise left.failure
    if running.value.is_over:
        return running.handler.session_over(now)
    orders: list[Order] = [*running.conversation.resume(left.tool_calls, now)]
    orders += running.tools.resume(left.tool_calls)
    orders += running.handler.await_return(now)
    orders += running.presence.await_return(now)
    if left.call is not None:
        return [*orders, *running.calls.adopt(left.call, left.heard_at, now)]
    if running.value.state is State.LIVE:
        detail = "its client never got the answer to its offer: nobody would ever speak in it"
        return [*orders, *running.end(EndReason.PROVIDER_ERROR, detail, now)]
    running.value = unconnected(running.value)
    return [*orders, ports.PutSession(session=running.value)]
