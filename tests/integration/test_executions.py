"""What callers can do with executions, over a real server and a real database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import AsyncExitStack

import pytest
from support.executions import registered
from support.plane import (
    CANCELLED,
    FAILED,
    RUNNING,
    SUCCEEDED,
    TIMEOUT,
    Plane,
    ScriptedWorker,
    config_for,
    connected,
    running_plane,
)
from support.storage import Storage

from agentfield.app import running
from agentfield.v1 import errors
from agentfield.v1 import execution_service_pb2 as pb

pytestmark = pytest.mark.integration


async def test_execute_waits_and_returns_the_result(plane: Plane) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    async with asyncio.TaskGroup() as tasks:
        call = tasks.create_task(
            plane.call(plane.executions.Execute, pb.ExecuteRequest(target="n.f", input=b'{"a":1}'))
        )
        await worker.report(worker.accept(await worker.take()), b'{"x":1.50}')

    answer = call.result()
    assert (answer.status, answer.result, answer.target) == (SUCCEEDED, b'{"x":1.50}', "n.f")
    assert answer.workflow_id == answer.run_id
    assert answer.HasField("finished_at")


async def test_execute_fails_with_what_the_function_said(plane: Plane) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(worker_fails(worker))
        with pytest.raises(errors.ExecutionFailed, match="out of stock") as caught:
            await plane.call(plane.executions.Execute, pb.ExecuteRequest(target="n.f"))

    failed = await plane.get(caught.value.metadata["execution_id"])
    assert (failed.status, failed.error) == (FAILED, "out of stock")
    assert failed.run_id == caught.value.metadata["run_id"]


async def test_a_long_error_is_cut_on_the_way_and_kept_whole_in_the_store(plane: Plane) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(worker_fails(worker, "ä" * 40_000))
        with pytest.raises(errors.ExecutionFailed) as caught:
            await plane.call(plane.executions.Execute, pb.ExecuteRequest(target="n.f"))

    assert caught.value.message.startswith("ää")
    kept = await plane.get(caught.value.metadata["execution_id"])
    assert kept.error == "ä" * 32 * 1024
    with pytest.raises(errors.ExecutionNotFound):
        await plane.get("x" * 20_000)


async def worker_fails(worker: ScriptedWorker, error: str = "out of stock") -> None:
    await worker.fail(worker.accept(await worker.take()), error)


async def test_an_execution_times_out_by_itself_with_its_descendants(plane: Plane) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    root = await plane.submit("n.f", timeout=1.0)
    worker.accept(await worker.take())
    child = await plane.submit("n.f", parent=root)
    worker.accept(await worker.take())

    late = await plane.until(root, TIMEOUT)

    assert "within 1 s; worker 'w1' had it" in late.error
    assert (await plane.get(child)).status == CANCELLED
    told = {(await worker.receive()).cancel.execution_id for _ in range(2)}
    assert told == {root, child}


async def test_execute_raises_a_timeout_of_its_own(plane: Plane) -> None:
    await registered(plane)
    request = pb.ExecuteRequest(target="n.f")
    request.timeout.FromMilliseconds(50)

    with pytest.raises(errors.ExecutionTimedOut, match="no worker of node 'n' took it"):
        await plane.call(plane.executions.Execute, request)


async def test_a_callers_disconnect_cancels_nothing(plane: Plane) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    call = plane.executions.Execute(pb.ExecuteRequest(target="n.f"))
    execute = worker.accept(await worker.take())

    call.cancel()

    await worker.report(execute, b"1")
    assert (await plane.get(execute.execution_id)).status == SUCCEEDED


async def test_a_repeated_request_gets_the_first_answer(plane: Plane) -> None:
    await registered(plane)
    first = await plane.submit("n.f", b'{"a":1}', request_id="r1")

    assert await plane.submit("n.f", b'{"a":1}', request_id="r1") == first
    with pytest.raises(errors.RequestIdReused, match="r1"):
        await plane.submit("n.f", b'{"a":2}', request_id="r1")
    listed = await plane.call(plane.executions.ListExecutions, pb.ListExecutionsRequest())
    assert [e.execution_id for e in listed.executions] == [first]


async def test_many_repeats_at_once_make_one_execution(plane: Plane) -> None:
    await registered(plane)
    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(plane.submit("n.f", request_id="r")) for _ in range(50)]

    assert len({call.result() for call in calls}) == 1


async def test_a_repeated_execute_joins_the_first_one(plane: Plane) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    request = pb.ExecuteRequest(target="n.f", request_id="r")
    lost = plane.executions.Execute(request)
    execute = worker.accept(await worker.take())
    lost.cancel()

    async with asyncio.TaskGroup() as tasks:
        again = tasks.create_task(plane.call(plane.executions.Execute, request))
        await worker.report(execute, b'"once"')

    assert again.result().execution_id == execute.execution_id
    assert again.result().result == b'"once"'


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("nobody.f", errors.NodeNotFound),
        ("n.g", errors.TargetNotFound),
        ("n", errors.InvalidArgument),
    ],
)
async def test_a_wrong_target_leaves_no_record(
    plane: Plane, target: str, error: type[Exception]
) -> None:
    await registered(plane)
    with pytest.raises(error):
        await plane.submit(target)

    listed = await plane.call(plane.executions.ListExecutions, pb.ListExecutionsRequest())
    assert list(listed.executions) == []


async def test_payloads_over_the_limit_are_refused_before_anything_is_stored(
    storage: Storage,
) -> None:
    async with running_plane(config_for(storage, max_payload_bytes=1000)) as plane:
        worker = await ScriptedWorker(plane, "n", "f").connect()
        large = b'{"a":"' + b"x" * 1000 + b'"}'
        with pytest.raises(errors.PayloadTooLarge, match="1000"):
            await plane.submit("n.f", large)
        execution_id = await plane.submit("n.f", b'{"a":"' + b"x" * 990 + b'"}')
        execute = worker.accept(await worker.take())

        with pytest.raises(errors.PayloadTooLarge):
            await worker.report(execute, large)

        assert (await plane.until(execution_id, RUNNING)).result == b""


async def test_eight_mebibytes_pass_both_ways(plane: Plane) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    large = b'{"a":"' + b"x" * (8 * 1024 * 1024 - 8) + b'"}'
    assert len(large) == 8 * 1024 * 1024
    execution_id = await plane.submit("n.f", large)
    execute = worker.accept(await worker.take())
    assert execute.input == large

    await worker.report(execute, large)

    done = await plane.get(execution_id)
    assert (done.input, done.result) == (large, large)
    with pytest.raises(errors.PayloadTooLarge):
        await plane.submit("n.f", large + b" ")


async def test_reports_that_are_not_json_are_refused(plane: Plane) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    await plane.submit("n.f")
    execute = await worker.take()

    with pytest.raises(errors.InvalidArgument, match="result must be JSON"):
        await worker.report(execute, b"{")
    assert await worker.report(execute, b"1") == SUCCEEDED
    assert await worker.report(execute, b"1") == SUCCEEDED


async def test_nesting_is_limited(storage: Storage) -> None:
    async with running_plane(config_for(storage, max_depth=3)) as plane:
        await registered(plane)
        parent = await plane.submit("n.f")
        for depth in (1, 2, 3):
            parent = await plane.submit("n.f", parent=parent)
            assert (await plane.get(parent)).depth == depth
        with pytest.raises(errors.CallTooDeep):
            await plane.submit("n.f", parent=parent)


async def test_what_was_acknowledged_survives_a_restart(storage: Storage) -> None:
    async with running_plane(config_for(storage)) as plane:
        worker = await ScriptedWorker(plane, "n", "f").connect(max_executions=1)
        running_id = await plane.submit("n.f")
        execute = worker.accept(await worker.take())
        await plane.until(running_id, RUNNING)
        queued_id = await plane.submit("n.f", request_id="r")

    async with running_plane(config_for(storage)) as plane:
        back = ScriptedWorker(plane, "n", "f")
        back.registration_id = worker.registration_id
        await back.connect(max_executions=1, running=[execute])
        assert await plane.submit("n.f", request_id="r") == queued_id
        assert (await plane.get(running_id)).status == RUNNING

        await back.report(execute, b"1")

        assert (await back.take()).execution_id == queued_id
        assert (await plane.get(running_id)).status == SUCCEEDED


async def test_work_of_a_worker_that_does_not_return_after_a_restart_is_lost(
    storage: Storage,
) -> None:
    async with running_plane(config_for(storage, grace=3600.0)) as plane:
        worker = await ScriptedWorker(plane, "n", "f").connect()
        execution_id = await plane.submit("n.f")
        worker.accept(await worker.take())
        await plane.until(execution_id, RUNNING)

    async with running_plane(config_for(storage)) as plane:
        assert "AGENT_LOST" in str(await plane.until(execution_id, FAILED))


async def test_a_draining_server_sends_waiters_away_and_workers_a_drain(storage: Storage) -> None:
    async with AsyncExitStack() as server, AsyncExitStack() as client:
        app = await server.enter_async_context(running(config_for(storage)))
        plane = await client.enter_async_context(connected(app))
        tasks = await client.enter_async_context(asyncio.TaskGroup())
        worker = await ScriptedWorker(plane, "n", "f").connect()
        request = pb.ExecuteRequest(target="n.f")
        call = tasks.create_task(failure_of(plane.call(plane.executions.Execute, request)))
        worker.accept(await worker.take())
        told = tasks.create_task(worker.receive())

        await server.aclose()

    assert told.result().WhichOneof("message") == "drain"
    draining = call.result()
    assert isinstance(draining, errors.ServerDraining)
    assert draining.metadata["execution_id"].startswith("exec_")


async def failure_of(call: Awaitable[object]) -> errors.AgentFieldError | None:
    try:
        await call
    except errors.AgentFieldError as error:
        return error
    return None
