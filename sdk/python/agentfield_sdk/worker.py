"""A worker: stays connected to the control plane and runs what it is given."""

from __future__ import annotations

__all__ = ["Worker"]

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC
from functools import partial

from agentfield.process.tracing import fail
from agentfield.v1 import agent_service_pb2 as pb
from agentfield.v1 import errors
from agentfield.v1.execution_pb2 import ExecutionStatus
from agentfield.v1.node_service_pb2 import RegisterNodeRequest
from agentfield_sdk.backoff import Backoff
from agentfield_sdk.connection import Connection
from agentfield_sdk.context import ExecutionContext, entered, running
from agentfield_sdk.functions import DeclaredFunction
from agentfield_sdk.handlers import Handlers
from agentfield_sdk.ledger import Attempt, Ledger
from agentfield_sdk.reports import deliver, outcome
from agentfield_sdk.session_declaration import DeclaredSession
from agentfield_sdk.stream import WorkStream

log = logging.getLogger("agentfield.worker")

ANSWER_SECONDS = 10.0
STOP_SECONDS = 10.0
"""How long a cancelled function may take to stop before its slot is used for others."""
# A connection that held this long was a good one: the next attempt comes at once.
_STABLE_SECONDS = 5.0


class Worker:
    """One process of a node. ``run`` it once; ``drain`` makes it end."""

    def __init__(
        self,
        connection: Connection,
        *,
        registration: RegisterNodeRequest,
        functions: Mapping[str, DeclaredFunction],
        sessions: Mapping[str, DeclaredSession],
        max_executions: int,
        max_sessions: int,
    ) -> None:
        self._connection = connection
        self._registration = registration
        self._functions = functions
        self._max_executions = max_executions
        self._max_sessions = max_sessions
        self._registration_id = ""
        self._ledger = Ledger()
        self._running: dict[Attempt, asyncio.Task[None]] = {}
        self._handlers = Handlers(connection, sessions, on_settled=self._note_if_settled)
        self._stream: WorkStream | None = None
        self._draining = asyncio.Event()
        self._drain_seconds = 0.0
        self._settled = asyncio.Event()
        self._leaving = False
        self.connected = asyncio.Event()
        """Set once the control plane has taken the worker in for the first time."""

    def drain(self, within: float) -> None:
        """Ask for no more work, finish what runs, and leave; after ``within`` seconds, leave."""
        self._drain_seconds = within
        self._draining.set()

    async def run(self) -> None:
        """Work until drained.

        Raises what the first connection fails with if trying again would not help. Later a lost
        connection is always tried again, and what runs goes on meanwhile.
        """
        self._note_if_settled()
        async with asyncio.TaskGroup() as tasks:
            staying = tasks.create_task(self._stay_connected(tasks), name="work-connection")
            await self._draining.wait()
            self._say(pb.WorkRequest(drain=pb.Drain()))
            try:
                async with asyncio.timeout(self._drain_seconds):
                    # A new connection may unsettle what was settled without one.
                    while not self._settled.is_set():
                        await self._settled.wait()
            except TimeoutError:
                count = len(self._running) + len(self._handlers.running)
                log.warning("leaving unfinished work", extra={"count": count})
            await self._handlers.leave(within=ANSWER_SECONDS)
            self._leaving = True
            if self._stream is not None:
                self._stream.say(pb.WorkRequest(goodbye=pb.Goodbye()))
                self._stream.say(None)
                await asyncio.wait({staying}, timeout=ANSWER_SECONDS)
            staying.cancel()
            for task in self._running.values():
                task.cancel()

    async def _stay_connected(self, tasks: asyncio.TaskGroup) -> None:
        clock = asyncio.get_running_loop().time
        backoff = Backoff()
        while not self._leaving:
            began_at = clock()
            reason = "ENDED"
            try:
                await self._connect(tasks)
            except errors.RegistrationNotFound as error:
                self._registration_id = ""
                reason = error.reason
            except errors.AgentFieldError as error:
                if not (error.retryable or self.connected.is_set()):
                    raise
                reason = error.reason
            if not self._leaving:
                facts = {
                    "node_id": self._registration.node_id,
                    "server": self._connection.address,
                    "reason": reason,
                }
                log.warning("not connected, trying again", extra=facts)
                if clock() - began_at > _STABLE_SECONDS:
                    backoff.reset()
                await asyncio.sleep(backoff.next())

    async def _connect(self, tasks: asyncio.TaskGroup) -> None:
        if not self._registration_id:
            response = await self._connection.call(
                self._connection.nodes.RegisterNode,
                self._registration,
                timeout=ANSWER_SECONDS,
                retry_for=0.0,
            )
            self._registration_id = response.registration_id
        call = self._connection.agents.Work(metadata=self._connection.metadata())
        stream = self._stream = WorkStream(call)
        self._note_if_settled()
        self._say(pb.WorkRequest(hello=self._hello()))
        if self._draining.is_set():
            self._say(pb.WorkRequest(drain=pb.Drain()))
        writer = tasks.create_task(stream.write(), name="work-write")
        try:
            await self._listen(stream, tasks)
        finally:
            self._stream = None
            self._note_if_settled()
            stream.close()
            writer.cancel()

    def _hello(self) -> pb.Hello:
        return pb.Hello(
            registration_id=self._registration_id,
            max_executions=self._max_executions,
            running=[
                pb.RunningExecution(execution_id=one.execution_id, attempt=one.attempt)
                for one in self._ledger.attempts
            ],
            max_sessions=self._max_sessions,
            handlers=self._handlers.running,
        )

    async def _listen(self, stream: WorkStream, tasks: asyncio.TaskGroup) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                message = await stream.hear()
        except TimeoutError:
            raise errors.ServerUnreachable("The control plane did not answer Hello.") from None
        while message is not None:
            match message.WhichOneof("message"):
                case "welcome":
                    self.connected.set()
                    facts = {"node_id": self._registration.node_id}
                    log.info("connected", extra=facts | {"server": self._connection.address})
                case "execute":
                    self._accept(message.execute, tasks)
                case "cancel":
                    self._stop(Attempt(message.cancel.execution_id, message.cancel.attempt))
                case "start_handler":
                    self._handlers.start(message.start_handler, tasks)
                    self._note_if_settled()
                case "drain" if self._draining.is_set():
                    stream.drained = True
                    self._note_if_settled()
                case "drain":
                    return  # the server goes down: what runs goes on, elsewhere is another
                case _:
                    pass  # an arm of a newer contract
            message = await stream.hear()

    def _accept(self, execute: pb.Execute, tasks: asyncio.TaskGroup) -> None:
        attempt = Attempt(execute.execution_id, execute.attempt)
        accepted = pb.Accepted(execution_id=execute.execution_id, attempt=execute.attempt)
        self._say(pb.WorkRequest(accepted=accepted))
        if not self._ledger.accept(attempt):
            return
        self._note_if_settled()
        task = tasks.create_task(self._carry_out(execute, attempt), name=execute.execution_id)
        self._running[attempt] = task
        # Not in the task itself: one that is cancelled before it began never runs.
        task.add_done_callback(partial(self._settle, attempt))

    async def _carry_out(self, execute: pb.Execute, attempt: Attempt) -> None:
        context = _context(execute)
        with entered(context), running("execution.run", context) as span:
            report = await outcome(self._functions.get(execute.function), execute)
            if report.status != ExecutionStatus.EXECUTION_STATUS_SUCCEEDED:
                fail(span, errors.ExecutionFailed.reason)
        self._ledger.report(attempt)
        await deliver(self._connection, report)

    def _stop(self, attempt: Attempt) -> None:
        if self._ledger.may_stop(attempt):
            task = self._running[attempt]
            task.cancel()
            asyncio.get_running_loop().call_later(STOP_SECONDS, self._abandon, attempt, task)

    def _abandon(self, attempt: Attempt, task: asyncio.Task[None]) -> None:
        # Another task may run the same attempt by now, sent again after a reconnect.
        if self._running.get(attempt) is task and self._ledger.may_stop(attempt):
            facts = {"execution_id": attempt.execution_id}
            log.warning("a cancelled function does not stop", extra=facts)
            self._settle(attempt, task)

    def _settle(self, attempt: Attempt, task: asyncio.Task[None]) -> None:
        if self._running.get(attempt) is not task:
            return  # it was abandoned before it ended
        self._ledger.settle(attempt)
        del self._running[attempt]
        self._say(pb.WorkRequest(credit=pb.Credit(executions=1)))
        self._note_if_settled()

    def _say(self, message: pb.WorkRequest) -> None:
        # Without a connection nothing is lost: the next Hello says it all.
        if self._stream is not None:
            self._stream.say(message)

    def _note_if_settled(self) -> None:
        may_come = self._stream is not None and not self._stream.drained
        if self._ledger.attempts or self._handlers.running or may_come:
            self._settled.clear()
        else:
            self._settled.set()


def _context(execute: pb.Execute) -> ExecutionContext:
    has_end = execute.HasField("expires_at")
    return ExecutionContext(
        execution_id=execute.execution_id,
        run_id=execute.run_id,
        function=execute.function,
        attempt=execute.attempt,
        session_id=execute.session_id,
        actor_id=execute.actor_id,
        traceparent=execute.traceparent,
        expires_at=execute.expires_at.ToDatetime(tzinfo=UTC) if has_end else None,
    )
