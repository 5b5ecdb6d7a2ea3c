"""An execution that was submitted, seen from outside."""

from __future__ import annotations

__all__ = ["ExecutionHandle"]

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from agentfield.v1 import errors
from agentfield.v1.execution_service_pb2 import (
    CancelExecutionRequest,
    GetExecutionRequest,
    WatchExecutionRequest,
)
from agentfield_sdk.backoff import Patience
from agentfield_sdk.connection import RETRY_SECONDS, Connection
from agentfield_sdk.values import Execution, value_of

_STATUS_REASONS = {
    "cancelled": errors.ExecutionCancelled,
    "timeout": errors.ExecutionTimedOut,
}


class ExecutionHandle:
    """One execution: wait for it, watch it, cancel it."""

    def __init__(self, connection: Connection, *, execution_id: str, run_id: str = "") -> None:
        self._connection = connection
        self.execution_id = execution_id
        self.run_id = run_id
        """Its run. Empty where only the execution's id was known."""

    def __repr__(self) -> str:
        return f"ExecutionHandle(execution_id={self.execution_id!r}, run_id={self.run_id!r})"

    async def get(self) -> Execution:
        """Return it as it is now."""
        response = await self._connection.call(
            self._connection.executions.GetExecution,
            GetExecutionRequest(execution_id=self.execution_id),
        )
        execution: Execution = value_of(response.execution)
        return execution

    async def result(self) -> Any:
        """Wait until it has finished and return its result.

        Raises the error that says why it did not succeed. Outlives restarts of the control plane.
        """
        async with aclosing(self.watch()) as snapshots:
            async for execution in snapshots:
                if execution.status == "succeeded":
                    return execution.result
                if execution.finished:
                    raise failure_of(execution)
        raise AssertionError("a watch ends with a finished execution")

    async def watch(self) -> AsyncGenerator[Execution, None]:
        """Yield it as it is, then again after every change, to the end of its life."""
        patience = Patience(RETRY_SECONDS)
        last: Execution | None = None
        while True:
            error: errors.AgentFieldError = errors.ServerUnreachable("The watch ended early.")
            try:
                async with aclosing(self._snapshots()) as snapshots:
                    async for execution in snapshots:
                        patience.renew()
                        if execution != last:
                            last = execution
                            yield execution
                        if execution.finished:
                            return
            except errors.AgentFieldError as failure:
                error = failure
            await patience.wait(error)

    async def _snapshots(self) -> AsyncGenerator[Execution, None]:
        request = WatchExecutionRequest(execution_id=self.execution_id)
        rpc = self._connection.executions.WatchExecution
        async with aclosing(self._connection.stream(rpc, request)) as responses:
            async for response in responses:
                yield value_of(response.execution)

    async def cancel(self, reason: str = "") -> Execution:
        """Cancel it and everything it called, and return it as it is then."""
        response = await self._connection.call(
            self._connection.executions.CancelExecution,
            CancelExecutionRequest(execution_id=self.execution_id, reason=reason),
        )
        execution: Execution = value_of(response.execution)
        return execution


def failure_of(execution: Execution) -> errors.AgentFieldError:
    """Return the error of an execution that did not succeed."""
    fallback = _STATUS_REASONS.get(execution.status, errors.ExecutionFailed)
    kind = errors.BY_REASON.get(execution.error_reason, fallback)
    return kind(
        execution.error or f"The execution of {execution.target} is {execution.status}.",
        metadata={"execution_id": execution.execution_id, "run_id": execution.run_id},
    )
