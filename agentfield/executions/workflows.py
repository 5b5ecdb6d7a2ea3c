"""Runs, read as graphs."""

from __future__ import annotations

__all__ = ["Workflows"]

from dataclasses import replace

from agentfield.executions.model import Execution
from agentfield.executions.ports import Nodes, Page, Scope, Summary, WorkflowStore, scope_of
from agentfield.identity import Caller
from agentfield.v1 import errors


class Workflows:
    """What callers can read of runs."""

    def __init__(self, *, store: WorkflowStore, nodes: Nodes) -> None:
        self._store = store
        self._nodes = nodes

    async def get(
        self, run_id: str, caller: Caller, *, after_seq: int, limit: int
    ) -> tuple[Summary, Page]:
        """Return a run's summary and a page of its executions in the order they were stored.

        Whoever may see the root sees the whole graph; of an execution that the caller may not see
        by itself, not why it failed. Raises WorkflowNotFound.
        """
        summary = await self._store.summary(run_id)
        if summary is None or not _sees(caller, summary.root):
            raise errors.WorkflowNotFound(
                f"workflow not found: there is no '{run_id}'.", metadata={"run_id": run_id}
            )
        page = await self._store.page(run_id, after_seq=after_seq, limit=limit)
        executions = tuple(_shown_to(caller, execution) for execution in page.executions)
        return summary, replace(page, executions=executions)

    async def page(
        self, session_id: str, caller: Caller, *, before_seq: int | None, limit: int
    ) -> tuple[list[Summary], int | None]:
        """Return summaries, the newest first, and where the next page starts."""
        scope = scope_of(caller, [] if caller.is_admin else await self._nodes.ids())
        return await self._store.list_runs(session_id, scope, before_seq=before_seq, limit=limit)

    async def of_session(
        self, session_id: str, *, before_seq: int | None, limit: int
    ) -> tuple[list[Summary], int | None]:
        """Return a page of the workflows of a session that the caller was let see."""
        everything = Scope(everything=True)
        return await self._store.list_runs(
            session_id, everything, before_seq=before_seq, limit=limit
        )


def _sees(caller: Caller, execution: Execution) -> bool:
    return caller.may_see(
        owners=execution.owners, node_id=execution.node_id, session_id=execution.session_id
    )


def _shown_to(caller: Caller, execution: Execution) -> Execution:
    if _sees(caller, execution):
        return execution
    failure = execution.failure and replace(execution.failure, message="", details=None)
    return replace(execution, failure=failure, late=None)
