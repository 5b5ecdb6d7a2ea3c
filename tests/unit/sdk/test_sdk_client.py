from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import pytest
from unit.sdk.fake_plane import FakePlane

from agentfield.v1 import errors
from agentfield.v1 import execution_pb2 as pb
from agentfield.v1 import execution_service_pb2 as calls_pb
from agentfield.v1 import node_service_pb2 as nodes_pb
from agentfield.v1 import workflow_service_pb2 as workflows_pb
from agentfield.v1.error_reason_pb2 import ErrorReason
from agentfield_sdk import Client, LateReport

pytestmark = pytest.mark.unit

QUEUED = pb.EXECUTION_STATUS_QUEUED
RUNNING = pb.EXECUTION_STATUS_RUNNING
SUCCEEDED = pb.EXECUTION_STATUS_SUCCEEDED
FAILED = pb.EXECUTION_STATUS_FAILED
MORE: dict[str, Any] = {"next_page_token": "more"}


@pytest.fixture
async def client(plane: FakePlane) -> AsyncIterator[Client]:
    async with Client(plane.address) as client:
        yield client


def execution(status: pb.ExecutionStatus.ValueType, **fields: Any) -> pb.Execution:
    return pb.Execution(
        execution_id="exec_1", run_id="run_1", target="a.b", status=status, **fields
    )


def seen(status: pb.ExecutionStatus.ValueType, **fields: Any) -> calls_pb.WatchExecutionResponse:
    return calls_pb.WatchExecutionResponse(execution=execution(status, **fields))


def node(*properties: str) -> nodes_pb.GetNodeResponse:
    schema = "".join(f'"{name}": {{}},' for name in properties).rstrip(",")
    function = nodes_pb.Function(
        name="b.c", input_schema=f'{{"properties": {{{schema}}}}}'.encode()
    )
    return nodes_pb.GetNodeResponse(node=nodes_pb.Node(node_id="a", functions=[function]))


async def test_a_call_sends_its_keywords_and_returns_the_result(
    plane: FakePlane, client: Client
) -> None:
    plane.answers("Execute", calls_pb.ExecuteResponse(result=b'{"n": 12345678901234567890123}'))

    result = await client.call("a.b", target="not the function", self=1, timeout=2)

    request = plane.requests("Execute")[0]
    assert result == {"n": 12345678901234567890123}
    assert request.input == b'{"target":"not the function","self":1,"timeout":2}'
    assert not request.HasField("timeout")


async def test_positional_arguments_get_the_names_of_the_targets_parameters(
    plane: FakePlane, client: Client
) -> None:
    plane.answers("Execute", calls_pb.ExecuteResponse())
    plane.answers("GetNode", node("first", "second", "third"))

    await client.call("a.b.c", 1, 2, third=3)
    await client.call("a.b.c", 4)

    inputs = [request.input for request in plane.requests("Execute")]
    assert inputs == [b'{"first":1,"second":2,"third":3}', b'{"first":4}']
    assert [request.node_id for request in plane.requests("GetNode")] == ["a"]


async def test_positional_arguments_that_do_not_fit_are_refused(
    plane: FakePlane, client: Client
) -> None:
    plane.answers("GetNode", node("only"))

    with pytest.raises(errors.InvalidArgument, match="takes 1 arguments, and 2 were given"):
        await client.call("a.b.c", 1, 2)
    with pytest.raises(errors.InvalidArgument, match="'only' twice"):
        await client.call("a.b.c", 1, only=1)
    with pytest.raises(errors.TargetNotFound):
        await client.call("a.other", 1)


async def test_options_are_of_the_execution_and_leave_the_keywords_alone(
    plane: FakePlane, client: Client
) -> None:
    plane.answers("ExecuteAsync", calls_pb.ExecuteAsyncResponse(execution_id="exec_1"))

    handle = await client.with_options(timeout=1.5, request_id="mine").submit("a.b", timeout="x")

    request = plane.requests("ExecuteAsync")[0]
    assert (request.timeout.ToMilliseconds(), request.request_id) == (1500, "mine")
    assert request.input == b'{"timeout":"x"}'
    assert handle.execution_id == "exec_1"


async def test_a_watch_goes_on_where_it_was_when_the_connection_is_lost(
    plane: FakePlane, client: Client
) -> None:
    down = errors.ServerUnreachable("It is down.")
    plane.answers(
        "WatchExecution",
        [seen(QUEUED), seen(RUNNING), down],
        [down],
        [seen(RUNNING)],
        [seen(RUNNING), seen(SUCCEEDED, result=b"7")],
    )

    async with aclosing(client.handle("exec_1").watch()) as watch:
        statuses = [execution.status async for execution in watch]

    assert statuses == ["queued", "running", "succeeded"]


async def test_the_result_of_a_handle_is_that_of_the_last_state(
    plane: FakePlane, client: Client
) -> None:
    plane.answers("WatchExecution", [seen(QUEUED), seen(SUCCEEDED, result=b"[1]")])

    assert await client.handle("exec_1").result() == [1]


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (
            seen(FAILED, error="Boom.", error_reason=ErrorReason.ERROR_REASON_EXECUTION_FAILED),
            errors.ExecutionFailed,
        ),
        (
            seen(FAILED, error="Boom.", error_reason=ErrorReason.ERROR_REASON_AGENT_LOST),
            errors.AgentLost,
        ),
        (seen(pb.EXECUTION_STATUS_CANCELLED, error="Boom."), errors.ExecutionCancelled),
        (seen(pb.EXECUTION_STATUS_TIMEOUT, error="Boom."), errors.ExecutionTimedOut),
    ],
)
async def test_a_handle_raises_why_there_is_no_result(
    plane: FakePlane,
    client: Client,
    state: calls_pb.WatchExecutionResponse,
    kind: type[errors.AgentFieldError],
) -> None:
    plane.answers("WatchExecution", [state])

    with pytest.raises(kind, match="Boom") as failure:
        await client.handle("exec_1").result()

    assert failure.value.metadata == {"execution_id": "exec_1", "run_id": "run_1"}


async def test_an_execution_that_nobody_knows_is_not_watched_again(
    plane: FakePlane, client: Client
) -> None:
    plane.answers("WatchExecution", [errors.ExecutionNotFound("There is none.")])

    with pytest.raises(errors.ExecutionNotFound):
        await client.handle("exec_0").result()

    assert len(plane.heard) == 1


async def test_cancelling_sends_the_reason_and_returns_what_became_of_it(
    plane: FakePlane, client: Client
) -> None:
    cancelled = execution(pb.EXECUTION_STATUS_CANCELLED)
    plane.answers("CancelExecution", calls_pb.CancelExecutionResponse(execution=cancelled))

    found = await client.cancel("exec_1", "not needed")

    assert (found.status, found.finished) == ("cancelled", True)
    assert plane.requests("CancelExecution")[0].reason == "not needed"


async def test_an_execution_is_a_plain_value(plane: FakePlane, client: Client) -> None:
    message = execution(
        pb.EXECUTION_STATUS_TIMEOUT,
        kind=pb.FUNCTION_KIND_REASONER,
        input=b'{"a": 1}',
        error_reason=ErrorReason.ERROR_REASON_EXECUTION_TIMED_OUT,
        duration_ms=0,
        late_report=pb.LateReport(status=SUCCEEDED, result=b"1"),
    )
    message.created_at.FromDatetime(datetime(2026, 1, 2, tzinfo=UTC))
    plane.answers("GetExecution", calls_pb.GetExecutionResponse(execution=message))

    found = await client.get("exec_1")

    assert (found.kind, found.status, found.input) == ("reasoner", "timeout", {"a": 1})
    assert (found.result, found.error_reason) == (None, "EXECUTION_TIMED_OUT")
    assert found.created_at == datetime(2026, 1, 2, tzinfo=UTC)
    assert (found.started_at, found.duration_ms) == (None, 0)
    assert found.late_report == LateReport(status="succeeded", result=1, error="", received_at=None)


async def test_lists_go_on_to_the_last_page(plane: FakePlane, client: Client) -> None:
    one = execution(SUCCEEDED)
    plane.answers(
        "ListExecutions",
        calls_pb.ListExecutionsResponse(executions=[one, one], **MORE),
        calls_pb.ListExecutionsResponse(executions=[one]),
    )
    plane.answers(
        "GetWorkflow",
        workflows_pb.GetWorkflowResponse(executions=[one], **MORE),
        workflows_pb.GetWorkflowResponse(
            executions=[one], workflow=workflows_pb.Workflow(run_id="run_1", total_executions=2)
        ),
    )
    plane.answers(
        "ListNodes",
        nodes_pb.ListNodesResponse(nodes=[nodes_pb.Node(node_id="a")], **MORE),
        nodes_pb.ListNodesResponse(nodes=[nodes_pb.Node(node_id="b", connected=True)]),
    )

    executions = [e async for e in client.executions(status="succeeded", node_id="a")]
    workflow = await client.workflow("run_1")
    nodes = await client.nodes()

    assert len(executions) == 3
    assert [r.page_token for r in plane.requests("ListExecutions")] == ["", "more"]
    assert {(r.status, r.node_id) for r in plane.requests("ListExecutions")} == {(SUCCEEDED, "a")}
    assert (workflow.total_executions, len(workflow.executions)) == (2, 2)
    assert [(n.node_id, n.connected) for n in nodes] == [("a", False), ("b", True)]


async def test_a_filter_that_does_not_exist_is_refused(client: Client) -> None:
    with pytest.raises(errors.InvalidArgument, match="Unknown parameter 'colour'"):
        async for _ in client.executions(colour="red"):
            pass
