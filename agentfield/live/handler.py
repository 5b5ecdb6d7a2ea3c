"""The handler of one session: its attempts, and what happens when its worker stays away."""

from __future__ import annotations

__all__ = ["Handler"]

from collections.abc import Callable, Sequence
from dataclasses import replace

from agentfield.executions.model import Failure
from agentfield.live.observing import inside
from agentfield.live.orders import Order, Then
from agentfield.live.whole import Whole
from agentfield.sessions import ports
from agentfield.sessions.effects import Resolve
from agentfield.sessions.leading import leader_of
from agentfield.sessions.model import (
    EndReason,
    HandlerState,
    Tool,
    check_attempt,
    session_ended,
)
from agentfield.sessions.sharing import Following, FollowRole
from agentfield.v1 import errors


class Handler:
    """Places attempts on workers, and closes the session's root when the last one is done."""

    def __init__(self, session: Whole) -> None:
        self._session = session
        self._was_followed = False
        """A HandleSession stream of the current attempt was open when this was looked at last."""

    # --- what the session asks ---

    def place(self, _: float) -> Sequence[Order]:
        """Send the current attempt to a worker; without any the session ends."""
        if self._session.value.handler is not HandlerState.RUNNING:
            return []
        return [self._placing()]

    def await_return(self, now: float) -> Sequence[Order]:
        """Wait for a handler that was running when this server was not."""
        self._was_followed = self._is_followed
        if self._session.value.handler is HandlerState.RUNNING and not self._was_followed:
            self._expect(now)
        return []

    def session_over(self, now: float) -> Sequence[Order]:
        """Give the handler its grace after the end, then close the root."""
        value, alarms = self._session.value, self._session.alarms
        if value.handler is not HandlerState.RUNNING or value.end_reason is EndReason.AGENT_LOST:
            return self.give_up()
        alarms.cancel("handler")
        alarms.set("grace", now + value.declaration.limits.handler_grace, lambda _: self.give_up())
        return []

    def give_up(self) -> Sequence[Order]:
        """Close the root, whatever the handler still does."""
        session = self._session
        session.alarms.cancel("grace")
        if session.value.handler is not HandlerState.RUNNING:
            return session.close_root()
        session.shared.workers.free(session.value.session_id, session.value.attempt)
        session.value = replace(session.value, handler=HandlerState.FAILED)
        return [ports.PutSession(session=session.value), *session.close_root()]

    # --- what workers ask ---

    def look(self, now: float) -> Sequence[Order]:
        """See whether the worker of the current attempt follows the session."""
        value = self._session.value
        if value.handler is not HandlerState.RUNNING or value.is_over:
            return []
        if self._is_followed:
            self._was_followed = True
            self._session.alarms.cancel("handler")
        elif self._was_followed:
            self._was_followed = False
            self._expect(now)
        return []

    def check(self, attempt: int) -> None:
        """Raise HandlerSuperseded unless this is the current attempt."""
        check_attempt(self._session.value, attempt)

    def commanded(
        self,
        command_id: str,
        attempt: int,
        act: Callable[[float], Sequence[Order]],
        now: float,
    ) -> Sequence[Order]:
        """Do what a handler commands, if it still may."""
        session = self._session
        try:
            self.check(attempt)
            if session.value.is_over:
                raise session_ended(session.value)
        except errors.AgentFieldError as error:
            return [Resolve(command_id=command_id, result=error)]
        if session.conversation.recalls(command_id):
            return []
        return act(now)

    def update(
        self, command_id: str, instructions: str | None, tools: Sequence[Tool] | None, now: float
    ) -> Sequence[Order]:
        """Change what is in force."""
        session = self._session
        orders = session.conversation.update(command_id, instructions, tools, now)
        session.value = replace(
            session.value,
            instructions=session.conversation.configuration.instructions,
            tools=session.conversation.tools,
        )
        return [ports.PutSession(session=session.value), *orders]

    def returned(self, attempt: int, now: float) -> Sequence[Order]:
        """Let the model lead: the handler has returned."""
        return self._done(attempt, HandlerState.RETURNED, "handler.returned", {}, now)

    def failed(self, attempt: int, error: str, now: float) -> Sequence[Order]:
        """End the session: the handler has raised."""
        session = self._session
        if not self._runs(attempt):
            return []
        orders = list(
            self._done(attempt, HandlerState.FAILED, "handler.failed", {"error": error}, now)
        )
        if not session.value.is_over:
            orders += session.end(EndReason.HANDLER_FAILED, error, now)
        return orders

    def lost(self, attempt: int, detail: str, now: float) -> Sequence[Order]:
        """Start the next attempt; after the end of the session there is none."""
        if not self._runs(attempt):
            return []
        session = self._session
        session.shared.workers.free(session.value.session_id, attempt)
        if session.value.is_over:
            return self.give_up()
        session.value = replace(session.value, attempt=attempt + 1)
        self._was_followed = False
        return [
            ports.Append(type="handler.lost", data={"attempt": attempt, "detail": detail}),
            ports.PutSession(session=session.value),
            *session.conversation.supersede(attempt + 1, now),
            self._placing(),
        ]

    # --- inside ---

    def _runs(self, attempt: int) -> bool:
        value = self._session.value
        return value.handler is HandlerState.RUNNING and value.attempt == attempt

    def _placing(self) -> Order:
        # An errand: a step that waited for room among the steps would wait for itself.
        return Then(run=lambda: self._session.errands.run(self._place(), "place"))

    @property
    def _is_followed(self) -> bool:
        value = self._session.value
        by = Following(session_id=value.session_id, role=FollowRole.HANDLER, attempt=value.attempt)
        return self._session.shared.streams.has(by)

    async def _place(self) -> None:
        value, shared = self._session.value, self._session.shared
        start = ports.HandlerStart(
            session_id=value.session_id,
            attempt=value.attempt,
            node_id=value.node_id,
            name=value.declaration.name,
            root_execution_id=value.root_execution_id,
            run_id=value.run_id,
            actor_id=value.actor_id,
            traceparent=inside(value),
        )
        instance_id = shared.workers.place(start) or await shared.elsewhere.place(start)
        if instance_id is None:
            detail = "no worker is connected that could run the handler"
            await self._session.post(self._session.end_because(EndReason.AGENT_LOST, detail))
        else:
            attempt = value.attempt
            await self._session.post(lambda now: self._placed(attempt, instance_id, now))

    def _placed(self, attempt: int, instance_id: str, now: float) -> Sequence[Order]:
        if self._runs(attempt) and not self._is_followed and not self._session.value.is_over:
            self._expect(now)
        data = {"attempt": attempt, "instance_id": instance_id}
        return [ports.Append(type="handler.started", data=data)]

    def _expect(self, now: float) -> None:
        """Give the worker a while to come, or to come back."""
        attempt = self._session.value.attempt
        detail = "its worker did not follow the session for agent_grace"
        self._session.alarms.set(
            "handler",
            now + self._session.shared.agent_grace,
            lambda at: self.lost(attempt, detail, at),
        )

    def _done(
        self, attempt: int, state: HandlerState, type_: str, data: dict[str, str], now: float
    ) -> Sequence[Order]:
        session = self._session
        if not self._runs(attempt):
            return []
        session.alarms.cancel("handler")
        session.shared.workers.free(session.value.session_id, attempt)
        session.value = replace(session.value, handler=state)
        orders: list[Order] = [
            ports.Append(type=type_, data={"attempt": attempt, **data}),
            ports.PutSession(session=session.value),
        ]
        if session.value.is_over:
            session.alarms.cancel("grace")
            failure = None
            if state is HandlerState.FAILED:
                failure = Failure(reason=errors.ExecutionFailed.reason, message=data["error"])
            return [*orders, *session.close_root(failure)]
        if state is HandlerState.RETURNED:
            orders += session.conversation.lead(leader_of(session.value), now)
        return orders
