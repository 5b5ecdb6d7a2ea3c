"""How executions reach workers, are cancelled, and lend their slots."""

from __future__ import annotations

import asyncio

import pytest
from support.plane import (
    CANCELLED,
    FAILED,
    QUEUED,
    RUNNING,
    SUCCEEDED,
    Plane,
    ScriptedWorker,
)

from agentfield.v1 import (
    errors,
    node_service_pb2,
)

pytestmark = pytest.mark.integration


async def test_an_execution_is_sent_accepted_and_reported(plane: Plane) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    execution_id = await plane.submit("n.f", b'{"n": 9007199254740993}')

    execute = await worker.take()
    assert (await plane.get(execution_id)).status == QUEUED
    worker.accept(execute)
    assert (await plane.until(execution_id, RUNNING)).attempt == 1
    await worker.report(execute, b"[1.0, 9007199254740993]")

    done = await plane.get(execution_id)
    assert execute.input == b'{"n": 9007199254740993}'
    assert (done.status, done.result) == (SUCCEEDED, b"[1.0, 9007199254740993]")
    assert done.instance_id == "w1"


async def test_a_worker_is_never_sent_more_than_its_credit(plane: Plane) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect(max_executions=2)
    ids = [await plane.submit("n.f") for _ in range(3)]

    first, second = await worker.take(), await worker.take()
    assert [first.execution_id, second.execution_id] == ids[:2]
    # The third is handed to somebody who has credit, so it was not on its way to the first.
    other = await ScriptedWorker(plane, "n", "f", instance_id="w2").connect(max_executions=1)
    assert (await other.take()).execution_id == ids[2]


async def test_credit_never_exceeds_what_the_worker_said_it_works_on(plane: Plane) -> None:
    greedy = await ScriptedWorker(plane, "n", "f").connect(max_executions=1)
    greedy.credit(50)
    ids = [await plane.submit("n.f") for _ in range(2)]

    assert (await greedy.take()).execution_id == ids[0]
    other = await ScriptedWorker(plane, "n", "f", instance_id="w2").connect(max_executions=1)
    assert (await other.take()).execution_id == ids[1]


async def test_several_workers_of_a_node_share_its_work(plane: Plane) -> None:
    workers = [
        await ScriptedWorker(plane, "n", "f", instance_id=f"w{i}").connect(max_executions=1)
        for i in range(3)
    ]
    ids = {await plane.submit("n.f") for _ in range(3)}

    assert {(await worker.take()).execution_id for worker in workers} == ids


async def test_an_execution_goes_only_to_a_worker_that_declares_its_function(plane: Plane) -> None:
    old = await ScriptedWorker(plane, "n", "old", instance_id="w1").connect()
    new = await ScriptedWorker(plane, "n", "new", "old", instance_id="w2").connect(max_executions=1)
    ids = [await plane.submit("n.new") for _ in range(2)]
    old_id = await plane.submit("n.old")

    assert (await old.take()).execution_id == old_id
    first = await new.take()
    assert first.execution_id == ids[0]
    await new.report(first)
    assert (await new.take()).execution_id == ids[1]


async def test_work_waits_for_a_worker(plane: Plane) -> None:
    worker = ScriptedWorker(plane, "n", "f")
    await worker.register()
    execution_id = await plane.submit("n.f")

    await worker.connect()

    assert (await worker.take()).execution_id == execution_id


async def test_what_never_left_moves_to_another_worker(plane: Plane) -> None:
    # Two are claimed; the second cannot have been sent when the connection is cut only if the
    # server still holds it, so the worker drains instead: nothing is sent after that.
    first = await ScriptedWorker(plane, "n", "f").connect(max_executions=1)
    taken_id = await plane.submit("n.f")
    taken = first.accept(await first.take())
    waiting_id = await plane.submit("n.f")
    first.drain()
    assert (await first.receive()).WhichOneof("message") == "drain"

    second = await ScriptedWorker(plane, "n", "f", instance_id="w2").connect()

    assert (await second.take()).execution_id == waiting_id
    assert await first.report(taken) == SUCCEEDED
    assert (await plane.get(taken_id)).status == SUCCEEDED


async def test_a_draining_worker_gets_nothing_more(plane: Plane) -> None:
    first = await ScriptedWorker(plane, "n", "f").connect()
    first.drain()
    assert (await first.receive()).WhichOneof("message") == "drain"
    second = await ScriptedWorker(plane, "n", "f", instance_id="w2").connect()
    ids = {await plane.submit("n.f") for _ in range(5)}

    assert {(await second.take()).execution_id for _ in range(5)} == ids


async def test_cancelling_tells_the_worker_and_keeps_a_late_result(plane: Plane) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    execution_id = await plane.submit("n.f")
    execute = worker.accept(await worker.take())

    assert await plane.cancel(execution_id, "enough") == 1

    assert (await worker.receive()).cancel.execution_id == execution_id
    assert await worker.report(execute, b'"late"') == CANCELLED
    done = await plane.get(execution_id)
    assert (done.status, done.result, done.late_report.result) == (CANCELLED, b"", b'"late"')
    assert "enough" in done.error


async def test_cancelling_takes_the_descendants_and_leaves_the_rest(plane: Plane) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    root = await plane.submit("n.f")
    worker.accept(await worker.take())
    child = await plane.submit("n.f", parent=root)
    worker.accept(await worker.take())
    done = await plane.submit("n.f", parent=child)
    await worker.report(worker.accept(await worker.take()))
    below_done = await plane.submit("n.f", parent=done)
    bystander = await plane.submit("n.f")

    assert await plane.cancel(root) == 3

    states = {i: (await plane.get(i)).status for i in (root, child, done, below_done, bystander)}
    assert [states[root], states[child], states[below_done]] == [CANCELLED] * 3
    assert states[done] == SUCCEEDED
    assert states[bystander] == QUEUED
    with pytest.raises(errors.ParentEnded):
        await plane.submit("n.f", parent=child)


async def test_a_claim_that_is_cancelled_before_it_is_sent_never_runs(plane: Plane) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect(max_executions=1)
    await plane.submit("n.f")
    first = worker.accept(await worker.take())
    cancelled, next_ = await plane.submit("n.f"), await plane.submit("n.f")

    await plane.cancel(cancelled)
    await worker.report(first)

    assert (await worker.take()).execution_id == next_


async def test_nested_work_uses_the_slot_its_waiting_parent_lends(plane: Plane) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect(max_executions=1)
    root = await plane.submit("n.f")
    worker.accept(await worker.take())
    await plane.until(root, RUNNING)
    another_root = await plane.submit("n.f")
    children = [await plane.submit("n.f", parent=root) for _ in range(3)]

    finished = []
    for _ in children:
        execute = worker.accept(await worker.take())
        finished.append(execute.execution_id)
        await worker.report(execute)

    assert finished == children
    assert (await plane.get(another_root)).status == QUEUED


async def test_a_slot_is_lent_as_soon_as_its_holder_calls_another_node(plane: Plane) -> None:
    x = await ScriptedWorker(plane, "x", "f", instance_id="wx").connect(max_executions=1)
    y = await ScriptedWorker(plane, "y", "f", instance_id="wy").connect()
    root = await plane.submit("x.f")
    x.accept(await x.take())
    await plane.until(root, RUNNING)
    other_root = await plane.submit("y.f")
    y.accept(await y.take())
    nested = await plane.submit("x.f", parent=other_root)

    await plane.submit("y.f", parent=root)

    assert (await x.take()).execution_id == nested


async def test_a_slot_is_lent_before_its_holders_acceptance_is_stored(plane: Plane) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect(max_executions=1)
    root = await plane.submit("n.f")
    await worker.take()  # and never accept: what calls is running, whatever is stored

    child = await plane.submit("n.f", parent=root)

    assert (await worker.take()).execution_id == child


async def test_a_worker_that_declares_anew_is_given_what_it_declares(plane: Plane) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    await ScriptedWorker(plane, "n", "g").register()
    execution_id = await plane.submit("n.g")

    assert (await worker.take()).execution_id == execution_id


async def test_two_trees_that_need_each_others_slots_both_finish(plane: Plane) -> None:
    x = await ScriptedWorker(plane, "x", "f", instance_id="wx").connect(max_executions=1)
    y = await ScriptedWorker(plane, "y", "f", instance_id="wy").connect(max_executions=1)
    on_x, on_y = await plane.submit("x.f"), await plane.submit("y.f")
    root_x, root_y = x.accept(await x.take()), y.accept(await y.take())
    await plane.until(on_x, RUNNING)
    await plane.until(on_y, RUNNING)

    # Each root holds the only slot of its worker and calls the other one's node.
    child_on_y = await plane.submit("y.f", parent=on_x)
    child_on_x = await plane.submit("x.f", parent=on_y)

    nested_y, nested_x = y.accept(await y.take()), x.accept(await x.take())
    assert (nested_y.execution_id, nested_x.execution_id) == (child_on_y, child_on_x)
    for worker, execute in ((y, nested_y), (x, nested_x), (x, root_x), (y, root_y)):
        await worker.report(execute)
    assert (await plane.get(on_x)).status == (await plane.get(on_y)).status == SUCCEEDED


async def test_unknown_registrations_and_missing_hellos_are_refused(plane: Plane) -> None:
    worker = ScriptedWorker(plane, "n", "f")
    worker.registration_id = "reg_nobody"
    with pytest.raises(errors.RegistrationNotFound, match="register again"):
        await worker.connect()

    await worker.register()
    with pytest.raises(errors.InvalidArgument, match="max_executions"):
        await worker.connect(max_executions=0)


async def test_registering_again_keeps_the_registration_and_replaces_the_functions(
    plane: Plane,
) -> None:
    first = ScriptedWorker(plane, "n", "f", "g")
    await first.register()
    second = ScriptedWorker(plane, "n", "g")
    await second.register()

    assert first.registration_id == second.registration_id
    node = await plane.call(plane.nodes.GetNode, node_service_pb2.GetNodeRequest(node_id="n"))
    assert [f.name for f in node.node.functions] == ["g"]


async def test_deregistering_ends_the_stream_and_loses_the_work(plane: Plane) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    execution_id = await plane.submit("n.f")
    worker.accept(await worker.take())
    other_node = node_service_pb2.DeregisterNodeRequest(
        node_id="other", registration_id=worker.registration_id
    )
    await plane.call(plane.nodes.DeregisterNode, other_node)
    assert (await plane.get(execution_id)).status in {QUEUED, RUNNING}

    request = node_service_pb2.DeregisterNodeRequest(
        node_id="n", registration_id=worker.registration_id
    )
    await plane.call(plane.nodes.DeregisterNode, request)

    assert "AGENT_LOST" in str(await plane.until(execution_id, FAILED))
    with pytest.raises(errors.RegistrationNotFound):
        await plane.call(
            plane.nodes.Heartbeat,
            node_service_pb2.HeartbeatRequest(node_id="n", registration_id=worker.registration_id),
        )


async def test_a_thousand_at_once_all_arrive(plane: Plane) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect(max_executions=64)
    async with asyncio.TaskGroup() as tasks:
        submitted = [tasks.create_task(plane.submit("n.f")) for _ in range(1000)]
        seen = set()
        for _ in range(1000):
            execute = worker.accept(await worker.take())
            seen.add(execute.execution_id)
            await worker.report(execute)

    assert seen == {task.result() for task in submitted}
