"""Sends executions to workers that are called over HTTP.

An execution is claimed in the database, so it does not matter which server calls its worker. It is
noted as sent before anything is written, and from then on it is never sent again.
"""

from __future__ import annotations

__all__ = ["HttpCalls"]

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from agentfield.dispatch.background import POLL_SECONDS, until_stored
from agentfield.dispatch.client import AgentClient, Broken, NotSent, TooLarge
from agentfield.executions.calls import Call, CallStore, report_of
from agentfield.executions.engine import Engine, Topic, announce
from agentfield.executions.model import Execution, Failure, Report, Status
from agentfield.executions.observing import inside
from agentfield.executions.ports import Hints
from agentfield.executions.work import MAX_CLAIM
from agentfield.identity import ANYONE
from agentfield.telemetry import HTTP_WORKERS, SENT
from agentfield.v1 import errors

RESTART_SECONDS = 15.0
"""How long a worker that cannot be reached may take to start again."""
FIRST_RETRY, LAST_RETRY = 0.1, 1.0
MAX_ROOTS = 1000
"""Calls at once, over which only nested ones are begun: those that wait for them must go on."""
MAX_CANCELS = 64
CANCEL_SECONDS = 10.0
LEAVE_SECONDS = 5.0
"""How long a server that goes down waits for answers."""
AFTER_EXPIRY = 5.0


class _Withdrawn(Exception):
    """The execution is not to be sent any more."""


@dataclass(slots=True, kw_only=True)
class _Active:
    call: Call
    task: asyncio.Task[None]
    sent: bool = False


class HttpCalls:
    """The calls that this process makes."""

    def __init__(
        self,
        *,
        store: CallStore,
        engine: Engine,
        hints: Hints,
        client: AgentClient,
        clock: Callable[[], int],
        replica_id: Callable[[], str],
        agent_grace: float,
        heartbeat_timeout: float,
    ) -> None:
        self._store = store
        self._engine = engine
        self._hints = hints
        self._client = client
        self._clock = clock
        self._replica_id = replica_id
        self._grace = agent_grace
        self._silence = heartbeat_timeout
        self._active: dict[str, _Active] = {}
        self._nodes: frozenset[str] = frozenset()
        """The nodes that have workers with addresses, as far as is known."""
        self._cancels = asyncio.Semaphore(MAX_CANCELS)
        self._draining = False

    async def begin(self) -> None:
        """Note that this replica listens for workers from now on."""
        await self._store.begin(self._replica_id())

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._settle(), name="calls-settle")
            tasks.create_task(self._hand_out(tasks), name="calls-claims")
            tasks.create_task(self._follow_stops(tasks), name="calls-stops")

    def registered(self, node_id: str) -> None:
        """Note that a worker with an address is there."""
        self._nodes |= {node_id}
        self._hints.publish(Topic.QUEUE, node_id)

    async def shut_down(self) -> None:
        """Send nothing more, and give those that are sent a moment to answer."""
        self._draining = True
        unsent = [one for one in self._active.values() if not one.sent]
        for one in unsent:
            one.task.cancel()
        await self._store.release([one.call.running for one in unsent])
        waiting = [one.task for one in self._active.values() if one.sent]
        if waiting:
            await asyncio.wait(waiting, timeout=LEAVE_SECONDS)

    async def _settle(self) -> None:
        """Decide what becomes of calls whose sender is gone.

        What was not sent is queued again. Of what was sent the worker may still report, or tell in
        its events; what it has not told within the grace is lost.
        """
        while True:
            gone = await until_stored(self._store.gone_senders)
            announce(self._hints, await until_stored(partial(self._store.return_calls, gone)))
            await asyncio.sleep(self._grace)
            announce(self._hints, await until_stored(partial(self._store.lose_calls, gone)))

    async def _hand_out(self, tasks: asyncio.TaskGroup) -> None:
        clock = asyncio.get_running_loop().time
        poll_at = clock()
        topics = ((Topic.QUEUE, None), (Topic.DONE, None), (Topic.STOPPED, None))
        with self._hints.listen(*topics) as listener:
            while True:
                hints = await listener.wait(max(poll_at - clock(), 0.0))
                if clock() >= poll_at:
                    poll_at = clock() + POLL_SECONDS
                    await self._look_around()
                    await self._claim_if_any(tasks)
                elif any(topic != Topic.QUEUE for topic, _ in hints):
                    await self._claim_if_any(tasks)  # somebody may have room again
                elif known := self._nodes.intersection(key for _, key in hints):
                    await until_stored(partial(self._claim, tasks, known))

    async def _look_around(self) -> None:
        """See who is called over HTTP, and who has fallen silent."""
        there = await until_stored(self._store.called_nodes)
        self._nodes = frozenset(there)
        HTTP_WORKERS.set(sum(there.values()))
        await until_stored(partial(self._store.quieten, silence=self._silence))

    async def _claim_if_any(self, tasks: asyncio.TaskGroup) -> None:
        if not self._nodes:
            return
        if await until_stored(self._store.has_work):
            await until_stored(partial(self._claim, tasks, self._nodes))

    async def _claim(self, tasks: asyncio.TaskGroup, node_ids: Collection[str]) -> None:
        if self._draining:
            return
        roots = len(self._active) < MAX_ROOTS
        claims = await self._store.claim_calls(self._replica_id(), node_ids, roots=roots)
        for call in claims:
            task = tasks.create_task(self._call(call), name="call")
            self._active[call.execution.execution_id] = _Active(call=call, task=task)
        if len(claims) >= MAX_CLAIM:
            for node_id in {call.execution.node_id for call in claims}:
                self._hints.publish(Topic.QUEUE, node_id)

    async def _call(self, call: Call) -> None:
        try:
            with suppress(_Withdrawn):
                await self._deliver(call)
        finally:
            active = self._active.get(call.execution.execution_id)
            if active is not None and active.call is call:
                del self._active[call.execution.execution_id]

    async def _deliver(self, call: Call) -> None:
        execution = call.execution
        clock = asyncio.get_running_loop().time
        give_up_at, pause = clock() + RESTART_SECONDS, FIRST_RETRY
        while True:
            try:
                answer = await self._client.post(
                    call.url,
                    body=execution.input or b"{}",
                    headers=_headers(execution),
                    timeout=max((execution.expires_at - self._clock()) / 1e6, 0) + AFTER_EXPIRY,
                    begin=partial(self._begin, call),
                )
            except NotSent as error:
                if await self._is_gone(call):
                    return
                if clock() + pause < give_up_at:
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LAST_RETRY)
                    continue
                why = (
                    f"agent node '{execution.node_id}' could not be reached for "
                    f"{RESTART_SECONDS:g} s ({error}); nothing was sent"
                )
                changed = await until_stored(partial(self._store.unreached, call.running, why))
                announce(self._hints, changed)
            except Broken as error:
                await asyncio.sleep(self._grace)  # it may still report
                await self._report(call, _lost(execution, str(error)))
            except TooLarge:
                await self._report(call, _too_large(self._engine.limits.max_payload_bytes))
            else:
                report = report_of(answer.status, answer.body)
                if report is None:
                    await until_stored(partial(self._store.answered_later, call.running))
                else:
                    await self._report(call, report)
            return

    async def _is_gone(self, call: Call) -> bool:
        """Return whether its worker is gone; it is queued for another one then."""
        changed = await until_stored(partial(self._store.withdraw, call.running))
        announce(self._hints, changed)
        return bool(changed)

    async def _begin(self, call: Call) -> None:
        if self._draining or await self._is_gone(call):
            raise _Withdrawn
        if not await until_stored(partial(self._store.sent, call.running, call.execution.sender)):
            raise _Withdrawn
        active = self._active.get(call.execution.execution_id)
        if active is not None:
            active.sent = True
        SENT.inc()
        self._hints.publish(Topic.EXECUTION, call.execution.execution_id)

    async def _report(self, call: Call, report: Report) -> None:
        execution = call.execution
        known = replace(report, attempt=execution.attempt)
        with suppress(errors.AttemptSuperseded):
            await until_stored(partial(self._engine.report, execution.execution_id, known, ANYONE))

    async def _follow_stops(self, tasks: asyncio.TaskGroup) -> None:
        with self._hints.listen((Topic.STOPPED, None)) as listener:
            while True:
                for _, execution_id in await listener.wait():
                    active = self._active.get(execution_id)
                    if active is not None:
                        active.task.cancel()
                    if not self._nodes:
                        continue
                    await self._cancels.acquire()
                    tasks.create_task(self._cancel(execution_id), name="call-cancel")

    async def _cancel(self, execution_id: str) -> None:
        """Ask an agent to stop an execution, if it has it and can be reached."""
        try:
            address = await self._store.address_of(execution_id)
            if address is not None:
                await self._client.post(
                    f"{address}/_internal/executions/{execution_id}/cancel",
                    body=b"{}",
                    headers={"Content-Type": "application/json"},
                    timeout=CANCEL_SECONDS,
                    begin=_at_once,
                )
        except (NotSent, Broken, TooLarge, errors.StoreUnavailable):
            pass  # what it reports later is kept as a late report
        finally:
            self._cancels.release()


async def _at_once() -> None:
    """Let it be written."""


def _headers(execution: Execution) -> dict[str, str]:
    found = {
        "Content-Type": "application/json",
        "X-Run-ID": execution.run_id,
        "X-Workflow-ID": execution.run_id,
        "X-Execution-ID": execution.execution_id,
        "X-Parent-Execution-ID": execution.parent_execution_id or "",
        "X-Session-ID": execution.session_id or "",
        "X-Actor-ID": execution.actor_id,
        "traceparent": inside(execution),
    }
    return {name: value for name, value in found.items() if value}


def _lost(execution: Execution, why: str) -> Report:
    message = (
        f"Waiting for the answer of {execution.target}, {why}; the call may or may not have taken "
        "effect."
    )
    return _failed(errors.AgentLost.reason, message)


def _too_large(limit: int) -> Report:
    message = f"The agent's answer is larger than the {limit} bytes this server accepts."
    return _failed(errors.PayloadTooLarge.reason, message)


def _failed(reason: str, message: str) -> Report:
    failure = Failure(reason=reason, message=message)
    return Report(attempt=0, status=Status.FAILED, failure=failure)
