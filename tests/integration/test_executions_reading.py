"""What is told of executions: watches, lists, batches and workflows."""

from __future__ import annotations

from typing import Any

import pytest
from support.executions import registered
from support.plane import (
    CANCELLED,
    FAILED,
    QUEUED,
    RUNNING,
    SUCCEEDED,
    Plane,
    ScriptedWorker,
    config_for,
    running_plane,
)
from support.storage import Storage

from agentfield.v1 import errors, workflow_service_pb2
from agentfield.v1 import execution_service_pb2 as pb

pytestmark = pytest.mark.integration


async def test_watching_shows_every_stage_and_ends(plane: Plane) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    execution_id = await plane.submit("n.f")
    stream: Any = plane.executions.WatchExecution(
        pb.WatchExecutionRequest(execution_id=execution_id)
    )
    execute = await worker.take()
    seen = [(await stream.read()).execution.status]
    worker.accept(execute)
    seen.append((await stream.read()).execution.status)
    await worker.report(execute, b"5")
    last = await stream.read()

    assert [*seen, last.execution.status] == [QUEUED, RUNNING, SUCCEEDED]
    assert last.execution.result == b"5"
    assert not await stream.read()


async def test_watching_nothing_is_an_error(plane: Plane) -> None:
    with pytest.raises(errors.ExecutionNotFound):
        await plane.get("exec_none")
    with pytest.raises(errors.ExecutionNotFound):
        await plane.cancel("exec_none")


async def test_lists_are_filtered_and_paged_the_newest_first(plane: Plane) -> None:
    await registered(plane, "n")
    await registered(plane, "m")
    root = await plane.submit("n.f")
    children = [await plane.submit("m.f", parent=root) for _ in range(5)]

    async def listed(**filters: Any) -> list[str]:
        ids: list[str] = []
        token = ""
        while True:
            page = await plane.call(
                plane.executions.ListExecutions,
                pb.ListExecutionsRequest(page_size=2, page_token=token, **filters),
            )
            ids += [e.execution_id for e in page.executions]
            token = page.next_page_token
            if not token:
                return ids

    newest_first = children[::-1]
    assert await listed() == [*newest_first, root]
    assert await listed(node_id="m") == newest_first
    assert await listed(target="n.f") == [root]
    assert await listed(parent_execution_id=root) == newest_first
    assert await listed(run_id=(await plane.get(root)).run_id) == [*newest_first, root]
    assert await listed(status=SUCCEEDED) == []
    assert await listed(node_id="n", target="m.f") == []


@pytest.mark.parametrize(
    "wrong", [{"page_size": 1001}, {"page_size": -1}, {"page_token": "!"}, {"page_token": "eA"}]
)
async def test_wrong_pages_are_refused(plane: Plane, wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidArgument, match="page_"):
        await plane.call(plane.executions.ListExecutions, pb.ListExecutionsRequest(**wrong))


async def test_a_batch_returns_what_there_is_and_names_what_is_missing(plane: Plane) -> None:
    await registered(plane)
    known = await plane.submit("n.f", b'{"k":1}')
    request = pb.BatchGetExecutionsRequest(execution_ids=[known, "exec_x", known])

    answer = await plane.call(plane.executions.BatchGetExecutions, request)

    assert answer.executions[known].input == b'{"k":1}'
    assert list(answer.missing) == ["exec_x"]
    with pytest.raises(errors.InvalidArgument, match="500"):
        await plane.call(
            plane.executions.BatchGetExecutions,
            pb.BatchGetExecutionsRequest(execution_ids=["x"] * 501),
        )


async def test_a_batch_is_refused_by_its_size_before_it_is_read(storage: Storage) -> None:
    async with running_plane(config_for(storage, max_payload_bytes=1000)) as plane:
        await registered(plane)
        body = b'{"a":"' + b"x" * 900 + b'"}'
        ids = [await plane.submit("n.f", body) for _ in range(3)]

        async def batch(execution_ids: list[str]) -> int:
            request = pb.BatchGetExecutionsRequest(execution_ids=execution_ids)
            answer = await plane.call(plane.executions.BatchGetExecutions, request)
            return len(answer.executions)

        assert await batch([ids[0]] * 10 + [ids[1]]) == 2
        with pytest.raises(errors.PayloadTooLarge, match="ask for fewer"):
            await batch(ids)


async def test_a_cancelled_execution_is_answered_without_payloads(plane: Plane) -> None:
    await registered(plane)
    execution_id = await plane.submit("n.f", b'{"k":1}')
    request = pb.CancelExecutionRequest(execution_id=execution_id)

    answer = await plane.call(plane.executions.CancelExecution, request)

    assert (answer.execution.status, answer.execution.input) == (CANCELLED, b"")


async def test_error_details_are_a_small_object(plane: Plane) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    await plane.submit("n.f")
    execute = worker.accept(await worker.take())
    for details, error in ((b"[1]", errors.InvalidArgument), (LARGE, errors.PayloadTooLarge)):
        request = pb.ReportExecutionRequest(
            execution_id=execute.execution_id,
            attempt=1,
            status=FAILED,
            error_details=details,
        )
        with pytest.raises(error):
            await plane.call(plane.executions.ReportExecution, request)


LARGE = b'{"a":"' + b"x" * 32 * 1024 + b'"}'


async def test_a_workflow_is_the_whole_tree_in_order(plane: Plane) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    root = await plane.submit("n.f")
    root_execute = worker.accept(await worker.take())
    child = await plane.submit("n.f", parent=root)
    await worker.report(worker.accept(await worker.take()))
    run_id = (await plane.get(root)).run_id
    request = workflow_service_pb2.GetWorkflowRequest(run_id=run_id, page_size=1)

    first = await plane.call(plane.workflows.GetWorkflow, request)
    request.page_token = first.next_page_token
    second = await plane.call(plane.workflows.GetWorkflow, request)

    assert [first.executions[0].execution_id, second.executions[0].execution_id] == [root, child]
    assert second.executions[0].parent_execution_id == root
    assert second.next_page_token == ""
    assert (first.workflow.status, first.workflow.total_executions) == (RUNNING, 2)
    assert (first.workflow.max_depth, first.workflow.active_executions) == (1, 1)

    await worker.report(root_execute)
    done = await plane.call(plane.workflows.GetWorkflow, request)
    assert done.workflow.status == SUCCEEDED
    assert done.workflow.HasField("completed_at")

    listed = await plane.call(
        plane.workflows.ListWorkflows, workflow_service_pb2.ListWorkflowsRequest()
    )
    assert [w.run_id for w in listed.workflows] == [run_id]
    with pytest.raises(errors.WorkflowNotFound):
        await plane.call(
            plane.workflows.GetWorkflow, workflow_service_pb2.GetWorkflowRequest(run_id="run_x")
        )
