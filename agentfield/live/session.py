"""One running session: everything that happens to it is a step, taken one after the other.

A step changes values and orders what is to be recorded and done. What many steps order at the same
moment is stored in one transaction; only then is any of it done.
"""

from __future__ import annotations

__all__ = ["LiveSession", "Shared"]

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from agentfield.dispatch.dispatcher import until_stored
from agentfield.executions.model import Failure, Status
from agentfield.executions.ports import Hints
from agentfield.ids import new_id
from agentfield.live.calls import Calls
from agentfield.live.feed import LAST, Feeds
from agentfield.live.handler import Handler
from agentfield.live.inbox import Alarms, Inbox, Step
from agentfield.live.orders import Order, Then
from agentfield.live.toolruns import ToolRuns
from agentfield.live.tools import Tools
from agentfield.sessions import effects as e
from agentfield.sessions import ports
from agentfield.sessions.conversation import Conversation, Leader
from agentfield.sessions.model import (
    EndReason,
    Event,
    HandlerState,
    Session,
    State,
    Tool,
    ended,
    failed_by,
    live,
    session_ended,
)
from agentfield.sessions.provider import Provider
from agentfield.telemetry import LIVE_SESSIONS, SESSIONS
from agentfield.v1 import errors

log = logging.getLogger("agentfield.live")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What all sessions of a process share."""

    store: ports.Store
    feeds: Feeds
    hints: Hints
    workers: ports.Workers
    runs: ToolRuns
    providers: Mapping[tuple[str, str], Provider]
    agent_grace: float
    """Seconds that a handler's stream may be away."""
    presence_grace: float
    """Seconds that the client's last watch may be away."""


class LiveSession:
    """A session from its start until its root execution is closed."""

    def __init__(self, shared: Shared, session: Session) -> None:
        self.shared = shared
        self.value = session
        d = session.declaration
        self.provider = shared.providers[d.provider, d.transport]
        self.conversation = Conversation(
            session,
            leader=self._leader(session),
            capabilities=self.provider.capabilities,
            new_id=new_id,
        )
        self.alarms = Alarms()
        self.handler = Handler(self)
        self.calls = Calls(self)
        self.tools = Tools(self)
        self._inbox = Inbox()
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self._present = 0
        self._closed = False
        self._stopped = False
        self._log_ended = session.is_over
        self._tasks: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None

    # --- its task ---

    async def run(self, first: Step | None = None) -> None:
        """Run the session until its root execution is closed.

        What goes wrong inside ends this one session.
        """
        try:
            async with asyncio.TaskGroup() as self._group:
                await self._run(first)
                self.calls.stop()
                for task in self._tasks:
                    task.cancel()
        except* errors.AgentFieldError:
            raise
        except* Exception:
            log.exception("a session failed", extra={"session_id": self.value.session_id})
            await self._bury()

    async def _run(self, first: Step | None) -> None:
        clock = asyncio.get_running_loop().time
        steps = [step for step in (self._begin, first) if step]
        while True:
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
                self._stopped = True  # nothing is awaited since: no step is lost
                return

    @property
    def _is_done(self) -> bool:
        # A call that the provider may still take has to be ended then: it is waited for.
        return self._closed and not self.calls.under_way

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None] | None:
        """Run something beside the steps; it is cancelled when the session's task ends."""
        if self._group is None or self._is_done:
            work.close()
            return None
        task = self._group.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def post(self, step: Step) -> None:
        """Have a step taken, some time soon. Raises SessionEnded if there will be none."""
        self._refuse_if_stopped()
        await self._inbox.post(step)

    async def perform(self, step: Step) -> None:
        """Have a step taken, and return when all it ordered is done."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def finish() -> None:
            if not done.done():
                done.set_result(None)

        def both(now: float) -> Sequence[Order]:
            return [*step(now), Then(run=finish)]

        await self.post(both)
        await done

    async def command(self, command_id: str, step: Step) -> Any:
        """Have a command taken and return its result; the same command again joins the first."""
        if command_id not in self._waiting:
            self._refuse_if_over()
            self._waiting[command_id] = asyncio.get_running_loop().create_future()
            await self.post(step)
        return await asyncio.shield(self._waiting[command_id])

    # --- steps that belong to the session as a whole ---

    def end(self, reason: EndReason, detail: str, now: float) -> Sequence[Order]:
        """End the session; the first reason counts."""
        if self.value.is_over:
            return []
        if self.value.state is State.LIVE:
            LIVE_SESSIONS.dec()
        SESSIONS.labels(reason).inc()
        closing: list[Order] = [
            *self.conversation.close(session_ended(replace(self.value, end_reason=reason)), now),
            *self.calls.retire(),
        ]
        usage = self.conversation.usage
        at = self.shared.store.now()
        self.value = ended(replace(self.value, usage=usage), reason, detail, now=at)
        for name in ("connect", "idle", "duration", "presence"):
            self.alarms.cancel(name)
        return [
            *closing,
            ports.PutSession(session=self.value),
            ports.Append(type="session.ended", data={"reason": reason, "detail": detail}),
            *self.handler.session_over(now),
        ]

    def end_because(self, reason: EndReason, detail: str) -> Step:
        """Return the step that ends the session for a reason."""
        return lambda now: self.end(reason, detail, now)

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
        return [root, Then(run=self._root_closed)]

    def commanded(
        self,
        command_id: str,
        attempt: int,
        act: Callable[[float], Sequence[Order]],
        now: float,
    ) -> Sequence[Order]:
        """Do what a handler commands, if it still may."""
        try:
            self.handler.check(attempt)
            self._refuse_if_over()
        except errors.AgentFieldError as error:
            return [e.Resolve(command_id=command_id, result=error)]
        return act(now)

    def update(
        self, command_id: str, instructions: str | None, tools: Sequence[Tool] | None, now: float
    ) -> Sequence[Order]:
        """Change what is in force."""
        orders = self.conversation.update(command_id, instructions, tools, now)
        self.value = replace(
            self.value,
            instructions=self.conversation.instructions,
            tools=self.conversation.tools,
        )
        return [ports.PutSession(session=self.value), *orders]

    def watched(self, change: int) -> Step:
        """Return the step that notes that the client's watches have become more or fewer."""

        def step(now: float) -> Sequence[Order]:
            self._present += change
            if self._present or self.value.is_over:
                self.alarms.cancel("presence")
            else:
                lost = self.end_because(EndReason.CLIENT_LOST, "the client's last watch was gone")
                self.alarms.set("presence", now + self.shared.presence_grace, lost)
            return []

        return step

    def heard_something(self, now: float) -> None:
        """Note that the session is not idle."""
        self.alarms.move("idle", now + self.value.declaration.limits.idle_timeout)

    # --- inside ---

    def _begin(self, now: float) -> Sequence[Order]:
        left = (self.value.connect_by - self.shared.store.now()) / 1e6
        timeout = self.end_because(
            EndReason.CONNECT_TIMEOUT, "it did not become live within its connect_timeout"
        )
        self.alarms.set("connect", now + max(left, 0.0), timeout)
        return []

    def _root_closed(self) -> None:
        self._closed = True

    def _gone_live(self, now: float) -> Sequence[Order]:
        if self.value.state is not State.CONNECTING:
            return []
        self.value = live(self.value, now=self.shared.store.now())
        LIVE_SESSIONS.inc()
        self.calls.gone_live(now)
        self.alarms.cancel("connect")
        limits = self.value.declaration.limits
        idle = self.end_because(EndReason.IDLE_TIMEOUT, "nobody spoke for its idle_timeout")
        self.alarms.set("idle", now + limits.idle_timeout, idle)
        facts = self.calls.facts()
        return [
            ports.PutSession(session=self.value),
            ports.Append(type="session.live", data=facts),
        ]

    async def _carry_out(self, orders: Iterable[Order]) -> None:
        changes: list[ports.Change] = []
        news: list[Event | None] = []
        """What to publish: None stands for the next event that is stored."""
        deeds: list[Order] = []
        now = asyncio.get_running_loop().time()
        todo = deque(orders)
        while todo:
            order = todo.popleft()
            match order:
                case e.Log(type=type_, data=data) | ports.Append(type=type_, data=data):
                    if not self._log_ended:
                        changes.append(ports.Append(type=type_, data=data))
                        news.append(None)
                    self._log_ended = self._log_ended or type_ == LAST
                case e.Live(type=type_, data=data):
                    news.append(Event(type=type_, data=data, at=self.shared.store.now()))
                case e.Save(call=call):
                    changes.append(ports.PutToolCall(call=call))
                case e.GoLive():
                    todo.extendleft(reversed(self._gone_live(now)))
                case e.End(reason=reason, detail=detail):
                    todo.extendleft(reversed(self.end(reason, detail, now)))
                case ports.PutSession() | ports.PutCall() | ports.PutToolCall() | ports.EndRoot():
                    changes.append(order)
                case _:
                    deeds.append(order)
        await self._record(changes, news)
        for deed in deeds:
            await self._do(deed)

    async def _record(self, changes: Sequence[ports.Change], news: Sequence[Event | None]) -> None:
        """Store changes, then publish what is new in the order it happened."""
        session = self.value
        if changes:
            commit = partial(
                self.shared.store.commit, session.session_id, session.owner_epoch, changes
            )
            stored = await until_stored(commit)
            if stored:
                self.value = replace(self.value, last_sequence=stored[-1].sequence)
            rest = iter(stored)
            news = [next(rest) if event is None else event for event in news]
        self.shared.feeds.publish(session.session_id, [event for event in news if event])

    async def _do(self, deed: Order) -> None:
        match deed:
            case e.Send(command=command):
                await self.calls.send(command)
            case e.RunTool():
                self.tools.run(deed)
            case e.CancelTool(call_id=call_id):
                self.tools.cancel(call_id)
            case e.Resolve(command_id=command_id, result=result):
                self._resolve(command_id, result)
            case Then(run=run):
                waiting = run()
                if asyncio.iscoroutine(waiting):
                    await waiting

    def _resolve(self, command_id: str, result: object) -> None:
        future = self._waiting.get(command_id)
        if future is None or future.done():
            return
        if isinstance(result, errors.AgentFieldError):
            future.set_exception(result)
            future.exception()  # whoever asked may have gone
        else:
            future.set_result(result)

    def _refuse_if_stopped(self) -> None:
        if self._stopped:
            raise session_ended(self.value)

    def _refuse_if_over(self) -> None:
        if self.value.is_over:
            raise session_ended(self.value)

    async def _bury(self) -> None:
        """Store the end of a session that failed inside."""
        self.calls.stop()
        now = asyncio.get_running_loop().time()
        detail = "something went wrong inside the control plane; its log has more"
        orders = [*self.end(EndReason.INTERNAL_ERROR, detail, now), *self.close_root()]
        await self._carry_out(orders)

    @staticmethod
    def _leader(session: Session) -> Leader:
        if session.handler is HandlerState.RUNNING:
            return Leader.HANDLER
        if not session.declaration.answers:
            return Leader.NOBODY
        return Leader.MODEL if session.declaration.has_handler else Leader.PROVIDER

    def follow_handler(self, now: float) -> Sequence[Order]:
        """Let the conversation be led by whom the handler's state says."""
        return self.conversation.lead(self._leader(self.value), now)
