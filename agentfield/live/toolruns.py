"""Tools as executions: children of the session's root, of its run."""

from __future__ import annotations

__all__ = ["ToolRuns"]

from agentfield.dispatch.background import until_stored
from agentfield.executions.engine import Engine
from agentfield.executions.model import Execution
from agentfield.executions.submission import Claims, Submission, checked_input
from agentfield.identity import Caller
from agentfield.ids import new_id
from agentfield.live.observing import inside_tool
from agentfield.sessions.model import Session
from agentfield.sessions.toolbook import ToolOutcome
from agentfield.v1 import errors


class ToolRuns:
    """Runs tools for sessions, in the name of whoever started them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def submit(
        self,
        session: Session,
        *,
        target: str,
        input_: bytes,
        timeout: float,
        request_id: str,
        rpc: str = "session.tool",
    ) -> Execution:
        """Store the execution of a tool; a repeat of its request_id returns the first one."""
        node_id, _, function = target.partition(".")
        execution_id = new_id("exec")
        submission = Submission(
            rpc=rpc,
            node_id=node_id,
            function=function,
            input=checked_input(input_, self._engine.limits),
            timeout=timeout,
            claims=Claims(
                parent_execution_id=session.root_execution_id,
                session_id=session.session_id,
                actor_id=session.actor_id,
                traceparent=inside_tool(session, execution_id),
            ),
            caller=owner_of(session),
            request_id=request_id,
            execution_id=execution_id,
            run_id=session.run_id,
        )
        return await self._engine.submit(submission)

    async def outcome(self, execution: Execution) -> ToolOutcome:
        """Wait for the end of an execution. Raises ServerDraining."""
        try:
            done = await self._engine.outcome(execution.execution_id)
        except errors.ServerDraining:
            raise
        except errors.AgentFieldError as error:
            found = await until_stored(lambda: self.get(execution.execution_id))
            failed_with = found.failure.reason if found.failure else ""
            is_unread = isinstance(error, errors.StoreUnavailable) and failed_with != error.reason
            if found.is_active or is_unread:  # it is not its end that failed, but to read of it
                return await self.outcome(found)
            return ToolOutcome(
                execution_id=execution.execution_id,
                target=execution.target,
                status=found.status,
                duration_ms=found.duration_ms or 0,
                error_reason=error.reason,
                message=error.message,
            )
        return ToolOutcome(
            execution_id=done.execution_id,
            target=done.target,
            status=done.status,
            duration_ms=done.duration_ms or 0,
            result=done.result or b"null",
        )

    async def get(self, execution_id: str) -> Execution:
        """Return the execution of a tool."""
        return await self._engine.get(execution_id, _EVERYBODY)

    async def cancel(self, execution_id: str, reason: str) -> None:
        """Cancel the execution of a tool."""
        await until_stored(lambda: self._engine.cancel(execution_id, reason, _EVERYBODY))


_EVERYBODY = Caller(name="", roles=frozenset({"admin"}))


def owner_of(session: Session) -> Caller:
    """Return the one in whose name the session acts."""
    return Caller(name=session.created_by, roles=frozenset({"client"}))
