"""One connected worker: what it is owed, and what is on its way to it."""

from __future__ import annotations

__all__ = ["Down", "Drained", "Handling", "Link", "Run", "StartHandler", "Stop", "Welcome"]

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from agentfield.executions.model import Execution
from agentfield.executions.work import Offer, Running
from agentfield.sessions.ports import HandlerStart
from agentfield.telemetry import SENT

MAX_OUTBOX = 100_000
"""Executions in it are bounded by credit; this bounds the rest."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """The worker is taken in."""


@dataclass(frozen=True, slots=True)
class Run:
    """Run this execution."""

    execution: Execution


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop or forget this execution."""

    running: Running


@dataclass(frozen=True, slots=True)
class StartHandler:
    """Run this session's handler."""

    start: HandlerStart


@dataclass(frozen=True, slots=True)
class Drained:
    """Nothing more will be sent."""


Down = Welcome | Run | Stop | StartHandler | Drained


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """A session's handler that a worker runs."""

    session_id: str
    attempt: int


class Link:
    """The control plane's end of one worker's stream."""

    def __init__(
        self,
        *,
        worker_id: str,
        connection_id: str,
        node_id: str,
        instance_id: str,
        max_executions: int,
        running: Iterable[Running],
        session_names: frozenset[str] = frozenset(),
        max_sessions: int = 0,
        handlers: Iterable[Handling] = (),
    ) -> None:
        self.worker_id = worker_id
        self.connection_id = connection_id
        self.node_id = node_id
        self.instance_id = instance_id
        self._session_names = session_names
        self._max_sessions = max_sessions
        self._handlers = set(handlers)
        self._max = max_executions
        self._credit = max_executions
        self._waiting: dict[str, int] = {}
        """Attempts in the outbox, by execution. What is not in here any more is not sent."""
        self._sent: dict[str, set[int]] = {}
        """Attempts that the worker may have, by execution."""
        for one in running:
            self._sent.setdefault(one.execution_id, set()).add(one.attempt)
            self._credit -= 1
        self._outbox: asyncio.Queue[Down | None] = asyncio.Queue(MAX_OUTBOX)
        self._may_run = asyncio.Event()
        self._may_run.set()
        self._draining = False
        self.closed = False
        self.for_good = False
        """The worker said goodbye."""

    @property
    def may_receive(self) -> bool:
        """Whether executions may still be sent to it."""
        return not (self.closed or self._draining)

    @property
    def may_take(self) -> bool:
        """Whether it is worth asking the store for work: it has credit, or slots to lend."""
        return self.may_receive and (self._credit > 0 or bool(self._sent))

    @property
    def sent(self) -> frozenset[str]:
        """The executions that the worker may have."""
        return frozenset(self._sent)

    @property
    def handling(self) -> frozenset[Handling]:
        """The handlers that run there, or are on their way."""
        return frozenset(self._handlers)

    @property
    def handlers(self) -> int:
        """How many handlers run there, or are on their way."""
        return len(self._handlers)

    def may_handle(self, node_id: str, name: str) -> bool:
        """Whether a handler of this session may be sent to it."""
        declares = self.node_id == node_id and name in self._session_names
        return declares and self.may_receive and self.handlers < self._max_sessions

    def handle(self, start: HandlerStart) -> None:
        """Send a handler. It uses no credit."""
        self._handlers.add(Handling(session_id=start.session_id, attempt=start.attempt))
        self.send(StartHandler(start))

    def free(self, handling: Handling) -> bool:
        """Note that a handler runs there no more; return whether it did."""
        did = handling in self._handlers
        self._handlers.discard(handling)
        return did

    def offer(self) -> Offer:
        """Return what it can take now."""
        return Offer(
            worker_id=self.worker_id,
            node_id=self.node_id,
            instance_id=self.instance_id,
            credit=self._credit,
            connection_id=self.connection_id,
        )

    def run(self, execution: Execution) -> None:
        """Send an execution that is claimed for this worker."""
        self._credit -= 1
        self._waiting[execution.execution_id] = execution.attempt
        self.send(Run(execution))

    def stop(self, execution_id: str) -> None:
        """Send a stop for an execution if the worker has it; keep it here if it was not sent."""
        if self._waiting.pop(execution_id, None) is not None:
            self._credit += 1
        for attempt in sorted(self._sent.pop(execution_id, ())):
            self.send(Stop(Running(execution_id=execution_id, attempt=attempt)))

    def forget(self, running: Running) -> None:
        """Send a stop for one attempt that is moot; another of the same execution goes on."""
        attempts = self._sent.get(running.execution_id, set())
        attempts.discard(running.attempt)
        if not attempts:
            self._sent.pop(running.execution_id, None)
        self.send(Stop(running))

    def done(self, execution_id: str) -> None:
        """Note that the worker has reported the end of an execution."""
        self._sent.pop(execution_id, None)

    def credit(self, executions: int) -> None:
        """Note that the worker is ready for more, never beyond what it said it works on."""
        self._credit = min(self._credit + max(executions, 0), self._max)

    def hold(self) -> list[Running]:
        """Send no executions until ``resume``; return those that have not been sent."""
        self._may_run.clear()
        return self.unsent()

    def resume(self) -> None:
        """Send executions again."""
        self._may_run.set()

    def unsent(self) -> list[Running]:
        """Return the executions that have not been sent: for good, if it is held or closed."""
        return [Running(execution_id=i, attempt=a) for i, a in self._waiting.items()]

    def drain(self) -> None:
        """Let go of what has not been sent, send no more, and say so."""
        self._draining = True
        self._waiting.clear()
        self.send(Drained())

    def close(self, *, for_good: bool = False) -> None:
        """End the stream from this side."""
        if not self.closed:
            self.closed = True
            self.for_good = for_good
            self._may_run.set()
            if self._outbox.full():
                self._outbox.get_nowait()
            self._outbox.put_nowait(None)

    def finish(self) -> None:
        """End the stream once what is queued has been written."""
        self.send(None)

    def send(self, message: Down | None) -> None:
        """Queue a message; a worker that does not read for so long is closed."""
        try:
            self._outbox.put_nowait(message)
        except asyncio.QueueFull:
            self.close()

    async def next(self) -> Down | None:
        """Return the next message to write; None when the stream is over."""
        while not self.closed:
            message = await self._outbox.get()
            if not isinstance(message, Run):
                return message
            await self._may_run.wait()
            if self.closed:
                break
            attempt = self._waiting.pop(message.execution.execution_id, None)
            if attempt is not None:
                # From here on it may have reached the worker, even if the write fails.
                self._sent.setdefault(message.execution.execution_id, set()).add(attempt)
                SENT.inc()
                return message
        return None
