"""What ``af execution`` does."""

from __future__ import annotations

__all__ = [
    "cancel",
    "failure",
    "list_executions",
    "order",
    "run",
    "show",
    "show_workflow",
    "tree_of",
    "watch",
    "workflow_of",
]

import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress

from agentfield.contract.fields import enum_text
from agentfield.contract.json import set_text
from agentfield.v1 import error_reason_pb2, errors
from agentfield.v1 import execution_pb2 as pb
from agentfield.v1 import execution_service_pb2 as service_pb
from agentfield.v1 import workflow_service_pb2 as workflow_pb
from agentfield_cli.formats import Format
from agentfield_cli.link import Link, all_pages, ask
from agentfield_cli.output import details, emit, following, table
from agentfield_cli.payload import read_input
from agentfield_cli.tree import Branch, draw
from agentfield_sdk.connection import Connection

Order = service_pb.ExecuteRequest | service_pb.ExecuteAsyncRequest

_LISTED = ["execution_id", "target", "status", "duration_ms"]


def order(
    *, target: str, source: str | None, background: bool, timeout: str | None, request_id: str
) -> Order:
    """Return the request to run a target. Raises InvalidArgument for an option that is malformed.

    It may read stdin, so it is no coroutine: Ctrl-C stops it at once.
    """
    request = service_pb.ExecuteAsyncRequest() if background else service_pb.ExecuteRequest()
    request.target = target
    request.input = read_input(source)
    request.request_id = request_id
    if timeout is not None:
        set_text(request, "timeout", timeout.removesuffix("s") + "s")
    return request


async def run(link: Link, output: Format | None, request: Order) -> None:
    """Run a target and write the answer, or the execution and raise why it did not succeed."""
    async with link.open() as connection:
        stubs = connection.executions
        if isinstance(request, service_pb.ExecuteAsyncRequest):
            stored = await ask(connection, stubs.ExecuteAsync, request)
            emit(stored, output, lambda: details(stored))
            return
        try:
            # The execution has a timeout, and the server keeps it: no deadline of our own.
            answer = await ask(connection, stubs.Execute, request, timeout=None)
        except errors.AgentFieldError as error:
            execution_id = error.metadata.get("execution_id")
            # Another request's execution is no answer to this one.
            if execution_id and not isinstance(error, errors.RequestIdReused):
                with suppress(errors.AgentFieldError):
                    execution = await _get(connection, execution_id)
                    emit(execution, output, lambda: details(execution))
            raise
        emit(answer, output, lambda: details(answer))


async def show(link: Link, output: Format | None, execution_id: str) -> None:
    """Write one execution."""
    async with link.open() as connection:
        execution = await _get(connection, execution_id)
    emit(execution, output, lambda: details(execution))


async def show_workflow(link: Link, output: Format | None, execution_id: str) -> None:
    """Write the workflow that an execution belongs to: drawn as a tree, or as ``output`` says."""
    async with link.open() as connection:
        execution = await _get(connection, execution_id)
        workflow = await workflow_of(connection, execution.run_id)
    if output not in {None, Format.TEXT}:
        emit(workflow, output)
        return
    for line in tree_of(workflow):
        print(line)


async def workflow_of(connection: Connection, run_id: str) -> workflow_pb.GetWorkflowResponse:
    """Return a workflow with all its executions."""
    return await all_pages(
        lambda request: ask(connection, connection.workflows.GetWorkflow, request),
        workflow_pb.GetWorkflowRequest(run_id=run_id),
        "executions",
    )


def tree_of(workflow: workflow_pb.GetWorkflowResponse) -> Iterator[str]:
    """Yield the lines of a workflow drawn as a tree."""
    return draw([_branch(execution) for execution in workflow.executions])


async def watch(link: Link, output: Format | None, execution_id: str) -> None:
    """Write an execution after every change until it ends; raise why it did not succeed."""
    execution = pb.Execution()
    async with link.open() as connection:
        request = service_pb.WatchExecutionRequest(execution_id=execution_id)
        with following(output) as show_state:
            async for change in connection.stream(connection.executions.WatchExecution, request):
                execution = change.execution
                show_state(execution)
    if execution.status != pb.EXECUTION_STATUS_SUCCEEDED:
        raise failure(execution)


async def list_executions(
    link: Link, output: Format | None, conditions: Mapping[str, str], limit: int
) -> None:
    """Write the newest executions that meet all conditions that are not empty."""
    request = service_pb.ListExecutionsRequest()
    for name, text in conditions.items():
        if text:
            set_text(request, name, text)
    async with link.open() as connection:
        found = await all_pages(
            lambda request: ask(connection, connection.executions.ListExecutions, request),
            request,
            "executions",
            limit=limit,
        )
    emit(found, output, lambda: table(_LISTED, found.executions))
    if found.next_page_token:
        print(f"note: only the newest {limit}; --limit shows more", file=sys.stderr)


async def cancel(link: Link, output: Format | None, execution_id: str, reason: str) -> None:
    """Cancel an execution and write what was cancelled."""
    async with link.open() as connection:
        request = service_pb.CancelExecutionRequest(execution_id=execution_id, reason=reason)
        cancelled = await ask(connection, connection.executions.CancelExecution, request)
    emit(cancelled, output, lambda: details(cancelled))


async def _get(connection: Connection, execution_id: str) -> pb.Execution:
    request = service_pb.GetExecutionRequest(execution_id=execution_id)
    return (await ask(connection, connection.executions.GetExecution, request)).execution


def failure(execution: pb.Execution) -> errors.AgentFieldError:
    """Return why an execution did not succeed."""
    reason = enum_text(error_reason_pb2.ErrorReason.DESCRIPTOR, execution.error_reason)
    kind = errors.BY_REASON.get(reason, errors.ExecutionFailed)
    return kind(execution.error or "The execution did not succeed.")


def _branch(execution: pb.Execution) -> Branch:
    return Branch(
        execution_id=execution.execution_id,
        parent=execution.parent_execution_id,
        target=execution.target,
        status=enum_text(pb.ExecutionStatus.DESCRIPTOR, execution.status),
        duration_ms=execution.duration_ms if execution.HasField("duration_ms") else None,
    )
