"""What becomes of executions when their workers go."""

from __future__ import annotations

import pytest
from support.plane import (
    FAILED,
    RUNNING,
    SUCCEEDED,
    Declaration,
    Plane,
    ScriptedWorker,
    config_for,
    running_plane,
)
from support.storage import Storage

from agentfield.v1 import (
    agent_service_pb2,
    errors,
    node_service_pb2,
)

pytestmark = pytest.mark.integration


async def test_work_of_a_worker_that_stays_away_fails_with_agent_lost(plane: Plane) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    execution_id = await plane.submit("n.f")
    worker.accept(await worker.take())
    await plane.until(execution_id, RUNNING)

    worker.drop()

    lost = await plane.until(execution_id, FAILED)
    assert "ERROR_REASON_AGENT_LOST" in str(lost)
    assert lost.attempt == 1


async def test_work_that_was_sent_and_never_accepted_is_lost_too(plane: Plane) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    execution_id = await plane.submit("n.f")
    await worker.take()

    worker.drop()

    assert "AGENT_LOST" in str(await plane.until(execution_id, FAILED))


async def test_idempotent_work_of_a_lost_worker_runs_again_elsewhere(plane: Plane) -> None:
    f = Declaration(name="f", idempotent=True)
    first = await ScriptedWorker(plane, "n", f).connect()
    execution_id = await plane.submit("n.f")
    stale = first.accept(await first.take())
    await plane.until(execution_id, RUNNING)
    second = await ScriptedWorker(plane, "n", f, instance_id="w2").connect()

    first.drop()

    again = second.accept(await second.take())
    assert (again.execution_id, again.attempt) == (execution_id, 2)
    with pytest.raises(errors.AttemptSuperseded):
        await first.report(stale, b'"old"')
    await second.report(again, b'"new"')
    assert (await plane.get(execution_id)).result == b'"new"'


async def test_a_worker_that_comes_back_with_its_work_loses_nothing(plane: Plane) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    execution_id = await plane.submit("n.f")
    execute = worker.accept(await worker.take())
    await plane.until(execution_id, RUNNING)

    worker.drop()
    await worker.connect(running=[execute])

    await worker.report(execute, b"7")
    done = await plane.get(execution_id)
    assert (done.status, done.result, done.attempt) == (SUCCEEDED, b"7", 1)


async def test_what_a_worker_never_received_is_sent_again_when_it_is_back(plane: Plane) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    execution_id = await plane.submit("n.f")
    await worker.take()  # on its way, never accepted

    worker.drop()
    await worker.connect(running=[])

    again = await worker.take()
    assert (again.execution_id, again.attempt) == (execution_id, 2)


async def test_what_a_worker_accepted_and_does_not_know_any_more_is_lost(plane: Plane) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    execution_id = await plane.submit("n.f")
    worker.accept(await worker.take())
    await plane.until(execution_id, RUNNING)

    worker.drop()
    await worker.connect(running=[])

    assert "AGENT_LOST" in str(await plane.until(execution_id, FAILED))


async def test_a_goodbye_loses_what_still_runs_at_once(storage: Storage) -> None:
    async with running_plane(config_for(storage, grace=3600.0)) as plane:
        worker = await ScriptedWorker(plane, "n", "f").connect()
        execution_id = await plane.submit("n.f")
        worker.accept(await worker.take())

        await worker.goodbye()

        assert "AGENT_LOST" in str(await plane.until(execution_id, FAILED))
        node = await plane.call(plane.nodes.GetNode, node_service_pb2.GetNodeRequest(node_id="n"))
        assert list(node.node.workers) == []
        assert [f.name for f in node.node.functions] == ["f"]


async def test_a_newer_connection_of_a_worker_ends_the_older_one(plane: Plane) -> None:
    old = await ScriptedWorker(plane, "n", "f").connect()
    new = ScriptedWorker(plane, "n", "f")
    new.registration_id = old.registration_id

    await new.connect()

    with pytest.raises(EOFError):
        await old.receive()
    execution_id = await plane.submit("n.f")
    assert (await new.take()).execution_id == execution_id


async def test_a_lost_worker_that_returns_is_told_to_forget(plane: Plane) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    execution_id = await plane.submit("n.f")
    execute = worker.accept(await worker.take())
    await plane.until(execution_id, RUNNING)
    worker.drop()
    await plane.until(execution_id, FAILED)

    await worker.connect(running=[execute])

    message = await worker.receive()
    assert message.cancel == agent_service_pb2.Cancel(execution_id=execution_id, attempt=1)
    assert await worker.report(execute, b'"late"') == FAILED
    assert (await plane.get(execution_id)).late_report.result == b'"late"'
