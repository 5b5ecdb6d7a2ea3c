"""One running session: everything that happens to it is a step, taken one after the other.

A step changes values and orders what is to be recorded and done. What many steps order at the same
moment is stored in one transaction; only then is any of it done.
"""

from __future__ import annotations

__all__ = ["LiveSession"]

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from agentfield.executions.engine import Topic
from agentfield.executions.model import Failure, Status
from agentfield.ids import new_id
from agentfield.live.calls import Calls
from agentfield.live.commands import Commands
from agentfield.live.errands import Errands
from agentfield.live.handler import Handler
from agentfield.live.inbox import Alarms, Inbox, Step
from agentfield.live.observing import Observer
from agentfield.live.orders import Order, Then
from agentfield.live.presence import Presence
from agentfield.live.promises import Promises, draining, fulfil
from agentfield.live.recorder import Recorder
from agentfield.live.supervision import supervised
from agentfield.live.tools import Tools
from agentfield.live.whole import Shared
from agentfield.sessions import effects as e
from agentfield.sessions import ports
from agentfield.sessions.conversation import Conversation
from agentfield.sessions.leading import leader_of
from agentfield.sessions.model import (
    EndReason,
    Session,
    State,
    ended,
    failed_by,
    live,
    session_ended,
)
from agentfield.sessions.sharing import Unowned
from agentfield.telemetry import LIVE_SESSIONS, SESSIONS
from agentfield.v1 import errors

log = logging.getLogger("agentfield.live")

SPARE_SECONDS = 5.0
"""How long a session that is live again is not idle, at least: what was missed is told meanwhile."""


class LiveSession:
    """A session from its start until its root execution is closed."""

    def __init__(self, shared: Shared, session: Session) -> None:
        self.shared = shared
        self.value = session
        d = session.declaration
        self.provider = shared.providers[d.provider, d.transport]
        self.conversation = Conversation(
            session,
            leader=leader_of(session),
            capabilities=self.provider.capabilities,
            new_id=new_id,
        )
        self.alarms = Alarms()
        self.handler = Handler(self)
        self.calls = Calls(self)
        self.tools = Tools(self)
        self.presence = Presence(self)
        self._inbox = Inbox()
        self.commands = Commands()
        self.observer = Observer(session, shared.store.now)
        self._recorder = Recorder(shared, session, self.observer)
        self._closed = False
        self.is_let_go = False
        """Whether another task goes on with it."""
        self._promises = Promises()
        self.errands = Errands()

    @property
    def provider_call_id(self) -> str:
        """The id of the current provider call; empty without one."""
        return self.calls.current_id

    # --- its task ---

    async def run(self, first: Step | None = None) -> None:
        """Run the session until its root execution is closed; what goes wrong ends it alone."""
        with supervised("a session failed"):
            try:
                async with self.errands.running():
                    await self._run(first)
                    self.calls.stop()
            except* Unowned:
                log.warning("a session is not owned here any more")
                self.let_go()
        with supervised("a session was left"):
            await self._bury()

    async def _run(self, first: Step | None) -> None:
        clock = asyncio.get_running_loop().time
        steps = [step for step in (self._begin, first) if step]
        while not self.is_let_go:
            now = clock()
            orders: list[Order] = []
            for step in [*steps, *self.alarms.take(now)]:
                orders += step(now)
            if self.conversation.deadline <= now:
                orders += self.conversation.tick(now)
            await self._carry_out(orders)
            self.tools.wake()
            until = min(self.alarms.next, self.conversation.deadline)
            steps = self._inbox.rest() if self._is_done else await self._inbox.take(until)
            if self._is_done and not steps:
                self._promises.close(session_ended(self.value))
                return

    @property
    def _is_done(self) -> bool:
        # A call that the provider may still take has to be ended then: it is waited for.
        return self._closed and not self.calls.under_way

    def leave(self) -> None:
        """Send those on who still wait for a step: this server takes none any more."""
        self._promises.close(draining("Ask again."))
        self._inbox.close()

    def let_go(self) -> None:
        """Take no further step, although the session has not ended: another task goes on with it."""
        if self.is_let_go:
            return
        self.is_let_go = True
        if self.value.state is State.LIVE:
            LIVE_SESSIONS.dec()
        self.calls.let_go()
        self.leave()
        self._inbox.wake()

    async def post(self, step: Step) -> None:
        """Have a step taken, some time soon; none is taken once the session's task has ended."""
        if not self._promises.closed:
            await self._inbox.post(step)

    def owe(self) -> asyncio.Future[Any]:
        """Return a future for a step to answer; the end of the session's task answers it, too.

        Raises SessionEnded or ServerDraining if that has come already.
        """
        return self._promises.owe()

    async def perform(self, step: Step) -> None:
        """Have a step taken, and return when all it ordered is done."""
        done = self.owe()

        def both(now: float) -> Sequence[Order]:
            return [*step(now), Then(run=partial(fulfil, done))]

        await self.post(both)
        await done

    async def command(self, command_id: str, step: Step) -> Any:
        """Have a command taken and return its result; the same command again joins the first."""
        return await asyncio.shield(await self.commands.take(command_id, self, step))

    # --- steps that belong to the session as a whole ---

    def end(self, reason: EndReason, detail: str, now: float) -> Sequence[Order]:
        """End the session; the first reason counts."""
        if self.value.is_over:
            return []
        error = session_ended(replace(self.value, end_reason=reason))
        return [
            *self.conversation.close(error, now),
            *self._ended(reason, detail, error),
            *self.handler.session_over(now),
        ]

    def end_because(self, reason: EndReason, detail: str) -> Step:
        """Return the step that ends the session for a reason."""
        return partial(self.end, reason, detail)

    def close_root(self, failure: Failure | None = None) -> Sequence[Order]:
        """Close the root execution, and with it the session's task once its calls are settled."""
        reason = self.value.end_reason or EndReason.INTERNAL_ERROR
        failed = failed_by(reason)
        if failure is None and failed is not None:
            message = self.value.end_detail or f"The session ended: {reason}."
            failure = Failure(reason=failed, message=message)
        status = Status.FAILED if failure else Status.SUCCEEDED
        root = ports.EndRoot(
            execution_id=self.value.root_execution_id, status=status, failure=failure
        )
        return [root, Then(run=self._close)]

    def heard_something(self, now: float) -> None:
        """Note that the session is not idle."""
        self.alarms.move("idle", now + self.value.declaration.limits.idle_timeout)

    # --- inside ---

    def _begin(self, now: float) -> Sequence[Order]:
        if self.value.live_at is not None:
            return []
        left = (self.value.connect_by - self.shared.store.now()) / 1e6
        timeout = self.end_because(
            EndReason.CONNECT_TIMEOUT, "it did not become live within its connect_timeout"
        )
        self.alarms.set("connect", now + max(left, 0.0), timeout)
        return []

    def _ended(
        self, reason: EndReason, detail: str, error: errors.AgentFieldError
    ) -> Sequence[Order]:
        if self.value.state is State.LIVE:
            LIVE_SESSIONS.dec()
        SESSIONS.labels(reason).inc()
        retiring = self.calls.retire(error)
        counted = replace(self.value, usage=self.conversation.usage)
        self.value = ended(counted, reason, detail, now=self.shared.store.now())
        for name in ("connect", "idle", "link", "duration", "presence"):
            self.alarms.cancel(name)
        logged = ports.Append(type="session.ended", data={"reason": reason, "detail": detail})
        return [*retiring, ports.PutSession(session=self.value), logged]

    def _gone_live(self, now: float) -> Sequence[Order]:
        if self.value.state is not State.CONNECTING:
            return []
        self.value = live(self.value, now=self.shared.store.now())
        LIVE_SESSIONS.inc()
        self.calls.gone_live(now)
        self.alarms.cancel("connect")
        self.alarms.cancel("link")
        most = self.value.declaration.limits.idle_timeout
        left = max(most - self.calls.quiet_for, min(most, SPARE_SECONDS))
        idle = self.end_because(EndReason.IDLE_TIMEOUT, "nobody spoke for its idle_timeout")
        self.alarms.set("idle", now + left, idle)
        went_live = ports.Append(type="session.live", data=self.calls.facts())
        return [ports.PutSession(session=self.value), went_live]

    async def _carry_out(self, orders: Iterable[Order]) -> None:
        now = asyncio.get_running_loop().time()
        todo = deque(orders)
        while todo:
            order = todo.popleft()
            match order:
                case e.GoLive():
                    todo.extendleft(reversed(self._gone_live(now)))
                case e.End(reason=reason, detail=detail):
                    todo.extendleft(reversed(self.end(reason, detail, now)))
                case _:
                    self._recorder.add(order)
        last, deeds = await self._recorder.record()
        if last:
            self.value = replace(self.value, last_sequence=last)
        for deed in deeds:
            await self._do(deed)

    async def _do(self, deed: Order) -> None:
        match deed:
            case e.Send(command=command):
                await self.calls.send(command)
            case e.RunTool():
                self.tools.run(deed)
            case e.CancelTool(call_id=call_id):
                self.tools.cancel(call_id)
            case e.Resolve(command_id=command_id, result=result):
                self.commands.resolve(command_id, result)
            case Then(run=run):
                run()

    def _close(self) -> None:
        self._closed = True
        self.shared.hints.publish(Topic.EXECUTION, self.value.root_execution_id)

    async def _bury(self) -> None:
        """Store the end of a session that failed inside; of others there is nothing left to do.

        The conversation is not asked any more: that may be what fails.
        """
        if self._promises.closed:
            return
        self.calls.stop()
        orders: list[Order] = []
        if not self.value.is_over:
            reason = EndReason.INTERNAL_ERROR
            detail = "something went wrong inside the control plane; its log has more"
            error = session_ended(replace(self.value, end_reason=reason))
            orders += self._ended(reason, detail, error)
        orders += [*self.calls.abandon(), *self.handler.give_up()]
        self._promises.close(session_ended(self.value))
        await self._carry_out(orders)
