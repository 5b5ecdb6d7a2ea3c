"""Queries by conditions and position: what is listed in pages, looked through from the newest."""

from __future__ import annotations

__all__ = ["Queries"]

from collections.abc import AsyncIterator
from typing import TypeVar

from agentfield.executions.engine import Engine
from agentfield.executions.model import Execution
from agentfield.executions.ports import Filter, Summary
from agentfield.executions.workflows import Workflows
from agentfield.identity import Caller
from agentfield.live.clients import ClientSide
from agentfield.rpc import convert
from agentfield.sessions.model import Session
from agentfield.sessions.ports import SessionFilter
from agentfield.v1 import errors
from agentfield.v1 import workflow_service_pb2 as pb

T = TypeVar("T")

RESOURCES = ("workflows", "executions", "sessions")
MOST_EXECUTIONS = 5000
MOST_OTHERS = 1000
_UNSUPPORTED = {
    "workflows": ("agent_id", "run_id", "execution_id"),
    "executions": (),
    "sessions": ("run_id", "execution_id"),
}


class Queries:
    """What callers can look for."""

    def __init__(self, engine: Engine, workflows: Workflows, sessions: ClientSide) -> None:
        self._engine = engine
        self._workflows = workflows
        self._sessions = sessions

    async def run(self, request: pb.QueryRequest, caller: Caller) -> pb.QueryResponse:
        """Return what a request looks for. Raises InvalidArgument."""
        _check(request)
        limit = request.limit if 0 < request.limit <= 100 else 20
        response = pb.QueryResponse(
            resource=request.resource, limit=limit, offset=max(0, request.offset)
        )
        match request.resource:
            case "workflows":
                runs = self._runs(request.filters, caller)
                response.workflows.extend(map(convert.summary, await _part(runs, response)))
            case "executions":
                heads = await _part(self._executions(request.filters, caller), response)
                found = await self._engine.batch([each.execution_id for each in heads], caller)
                by_id = {each.execution_id: each for each in found}
                response.executions.extend(
                    convert.execution(by_id.get(head.execution_id, head)) for head in heads
                )
            case _:
                sessions = await _part(self._sessions_of(request.filters, caller), response)
                for session in sessions:
                    response.sessions.append(await self._summary(session))
        return response

    async def _runs(self, where: pb.QueryFilters, caller: Caller) -> AsyncIterator[Summary]:
        seen, before = 0, None
        while seen < MOST_OTHERS:
            page, before = await self._workflows.page(
                where.session_id, caller, before_seq=before, limit=100
            )
            seen += len(page)
            for run in page:
                status = "running" if run.active else str(run.root.status)
                if _fits(where, status, run.root.actor_id, run.root.created_at):
                    yield run
            if before is None:
                return

    async def _executions(self, where: pb.QueryFilters, caller: Caller) -> AsyncIterator[Execution]:
        if where.execution_id:
            for execution in await self._engine.batch([where.execution_id], caller):
                if _is_of(execution, where):
                    yield execution
            return
        conditions = Filter(
            run_id=where.run_id, session_id=where.session_id, node_id=where.agent_id
        )
        seen, before = 0, None
        while seen < MOST_EXECUTIONS:
            page = await self._engine.page(conditions, caller, before_seq=before, limit=1000)
            seen, before = seen + len(page.executions), page.next_seq
            for execution in page.executions:
                if _is_of(execution, where):
                    yield execution
            if before is None:
                return

    async def _sessions_of(self, where: pb.QueryFilters, caller: Caller) -> AsyncIterator[Session]:
        seen, before = 0, None
        while seen < MOST_OTHERS:
            page = await self._sessions.page(
                SessionFilter(node_id=where.agent_id), caller, before_seq=before, limit=100
            )
            seen, before = seen + len(page.sessions), page.next_seq
            for session in page.sessions:
                is_one = where.session_id in {"", session.session_id}
                if is_one and _fits(where, session.state, session.actor_id, session.created_at):
                    yield session
            if before is None:
                return

    async def _summary(self, session: Session) -> pb.SessionSummary:
        runs, _ = await self._workflows.of_session(session.session_id, before_seq=None, limit=100)
        now = max((run.completed_at or 0 for run in runs), default=0)
        found = pb.SessionSummary(
            session_id=session.session_id,
            target=session.target,
            status=session.state,
            actor_id=session.actor_id,
            total_workflows=len(runs),
            total_executions=sum(run.total for run in runs),
            total_duration_ms=max(0, now - session.created_at) // 1000,
        )
        convert.set_time(found.created_at, session.created_at)
        convert.set_time(found.ended_at, session.ended_at)
        return found


def _check(request: pb.QueryRequest) -> None:
    if request.resource not in RESOURCES:
        raise errors.InvalidArgument(
            f"resource must be one of: {', '.join(RESOURCES)}",
            metadata={"field": "resource", "code": "invalid_resource"},
        )
    for name in _UNSUPPORTED[request.resource]:
        if getattr(request.filters, name):
            raise errors.InvalidArgument(
                f"filters.{name} is not supported for resource {request.resource}",
                metadata={"field": f"filters.{name}", "code": "unsupported_filter"},
            )


def _is_of(execution: Execution, where: pb.QueryFilters) -> bool:
    same = (
        where.run_id in {"", execution.run_id},
        where.session_id in {"", execution.session_id},
        where.agent_id in {"", execution.node_id},
    )
    return all(same) and _fits(where, execution.status, execution.actor_id, execution.created_at)


def _fits(where: pb.QueryFilters, status: str, actor_id: str, created_at: int) -> bool:
    return (
        where.status in {"", status}
        and where.actor_id in {"", actor_id}
        and not (where.HasField("since") and created_at < where.since.ToMicroseconds())
        and not (where.HasField("until") and created_at > where.until.ToMicroseconds())
    )


async def _part(found: AsyncIterator[T], response: pb.QueryResponse) -> list[T]:
    """Return the part of what is found that the response is to have, and count all of it."""
    everything = [each async for each in found]
    response.total = len(everything)
    return everything[response.offset : response.offset + response.limit]
