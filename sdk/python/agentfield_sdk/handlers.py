"""The session handlers of a worker: which run here, and how their ends are reported."""

from __future__ import annotations

__all__ = ["Handlers"]

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from agentfield.v1 import agent_service_pb2 as pb
from agentfield.v1 import errors
from agentfield_sdk.connection import Connection
from agentfield_sdk.lead import Report, lead, report_of
from agentfield_sdk.session_declaration import DeclaredSession

log = logging.getLogger("agentfield.worker")

_REFUSED_SECONDS = 5.0


@dataclass(slots=True, kw_only=True, eq=False)
class _Run:
    attempt: int
    task: asyncio.Task[None] | None = None
    stopped: bool = False

    def stop(self) -> None:
        # Cancelling is no proof: the handler's own task groups may leave that count raised.
        self.stopped = True
        if self.task is not None:
            self.task.cancel()


class Handlers:
    """At most one attempt per session, from StartHandler until its report is answered."""

    def __init__(
        self,
        connection: Connection,
        sessions: Mapping[str, DeclaredSession],
        *,
        on_settled: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._sessions = sessions
        self._on_settled = on_settled
        self._runs: dict[str, _Run] = {}
        self._leaving = False

    @property
    def running(self) -> list[pb.RunningHandler]:
        """What is not settled, for Hello."""
        return [
            pb.RunningHandler(session_id=session_id, attempt=run.attempt)
            for session_id, run in self._runs.items()
        ]

    def start(self, start: pb.StartHandler, tasks: asyncio.TaskGroup) -> None:
        """Run a handler, unless this attempt of it or a newer one runs here."""
        before = self._runs.get(start.session_id)
        if self._leaving or (before is not None and before.attempt >= start.attempt):
            return
        if before is not None:
            before.stop()
        run = self._runs[start.session_id] = _Run(attempt=start.attempt)
        run.task = tasks.create_task(self._carry_out(start, run), name=start.session_id)
        # Not in the task itself: one that is cancelled before it began never runs.
        run.task.add_done_callback(partial(self._settle, start.session_id, run))

    async def leave(self, *, within: float) -> None:
        """Stop what runs and report it as lost, so that other workers take over."""
        self._leaving = True
        tasks = {run.task for run in self._runs.values() if run.task is not None}
        for run in self._runs.values():
            run.stop()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=within)
            for task in late:
                task.cancel()

    async def _carry_out(self, start: pb.StartHandler, run: _Run) -> None:
        report: Report | None = None
        session = self._sessions.get(start.name)
        if session is None or session.handler is None:
            error = f"This worker has no handler of a session '{start.name}'."
            report = report_of(start, pb.HANDLER_OUTCOME_FAILED, error)
        else:
            try:
                report = await lead(self._connection, start, session.handler)
            except asyncio.CancelledError:
                if not run.stopped:
                    raise
        if run.stopped:
            # Whatever it still did: a newer attempt runs here, or another worker is to take over.
            report = report_of(start, pb.HANDLER_OUTCOME_LOST) if self._leaving else None
        if report is not None:
            await _deliver(self._connection, report)

    def _settle(self, session_id: str, run: _Run, _: asyncio.Task[None]) -> None:
        if self._runs.get(session_id) is run:
            del self._runs[session_id]
            self._on_settled()


async def _deliver(connection: Connection, report: Report) -> None:
    """Report until the control plane has answered, however long that takes."""
    while True:
        try:
            await connection.call(connection.agents.ReportHandler, report, retry_for=float("inf"))
        except (errors.SessionNotFound, errors.PermissionDenied, errors.InvalidArgument) as no:
            facts = {"session_id": report.session_id, "reason": no.reason}
            log.warning("report not wanted", extra=facts)
            return
        except errors.AgentFieldError as trouble:
            facts = {"session_id": report.session_id, "reason": trouble.reason}
            log.warning("report not taken, trying again", extra=facts)
            await asyncio.sleep(_REFUSED_SECONDS)
        else:
            return
