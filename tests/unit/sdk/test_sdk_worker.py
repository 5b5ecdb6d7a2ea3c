from __future__ import annotations

import asyncio
import threading
from typing import Any

import orjson
import pytest
from unit.sdk.fake_plane import FakePlane, leave, serving
from unit.sdk.holding import ANSWER, Gate, holding

from agentfield.v1.execution_pb2 import ExecutionStatus
from agentfield.v1.execution_service_pb2 import ExecuteResponse, ReportExecutionResponse
from agentfield_sdk import Agent, ExecutionContext, current

pytestmark = pytest.mark.unit


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def app(plane: FakePlane, gate: Gate) -> Agent:
    return holding(plane, gate)


async def test_a_worker_registers_what_it_declares_and_says_hello(
    app: Agent, plane: FakePlane
) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(app.serve())
        work = await plane.work()
        hello = await work.hears("hello")
        work.welcomes()
        await leave(app, work)

    request = plane.requests("RegisterNode")[0]
    assert (request.node_id, request.version, len(request.instance_id)) == ("node", "7", 32)
    hold = {function.name: function for function in request.functions}["hold"]
    assert (hold.description, list(hold.tags), hold.idempotent) == ("Wait.", ["slow"], True)
    assert orjson.loads(hold.output_schema) == {"type": "string"}
    assert (hello.registration_id, hello.max_executions, list(hello.running)) == ("reg_1", 3, [])


async def test_an_execution_is_accepted_run_reported_and_gives_credit_back(
    app: Agent, plane: FakePlane
) -> None:
    async with serving(app, plane) as work:
        work.executes("double", b'{"n": 21}', attempt=2)

        accepted = await work.hears("accepted")
        credit = await work.hears("credit")
        await leave(app, work)

    assert (accepted.execution_id, accepted.attempt, credit.executions) == ("exec_1", 2, 1)
    report = plane.requests("ReportExecution")[0]
    assert (report.execution_id, report.attempt, report.result) == ("exec_1", 2, b"42")
    assert report.status == ExecutionStatus.EXECUTION_STATUS_SUCCEEDED


async def test_credit_comes_only_when_the_report_was_answered(app: Agent, plane: FakePlane) -> None:
    answered = asyncio.Event()

    async def slowly(_: Any) -> ReportExecutionResponse:
        await answered.wait()
        return ANSWER

    plane.answers_only("ReportExecution", slowly)

    async with serving(app, plane) as work:
        work.executes("double", b'{"n": 1}')
        await work.hears("accepted")
        await plane.until_heard("ReportExecution")
        assert work.requests.empty()
        answered.set()
        await work.hears("credit")
        await leave(app, work)


async def test_a_function_knows_its_execution_and_its_calls_are_its_children(
    app: Agent, plane: FakePlane
) -> None:
    plane.answers("Execute", ExecuteResponse(result=b'"nested"'))
    seen: list[ExecutionContext | None] = []

    @app.reasoner
    async def outer() -> Any:
        seen.append(current())
        return await app.call("other.inner", x=1)

    async with serving(app, plane) as work:
        work.executes("outer", attempt=3, session_id="sess_1", actor_id="ann", traceparent="00-t")
        await work.hears("accepted")
        await work.hears("credit")
        await leave(app, work)

    assert seen == [
        ExecutionContext(
            execution_id="exec_1",
            run_id="run_1",
            function="outer",
            attempt=3,
            session_id="sess_1",
            actor_id="ann",
            traceparent="00-t",
        )
    ]
    nested = next(heard for heard in plane.heard if heard.rpc == "Execute")
    assert nested.metadata["x-parent-execution-id"] == "exec_1"
    report = next(heard for heard in plane.heard if heard.rpc == "ReportExecution")
    assert report.request.result == b'"nested"'
    assert "x-parent-execution-id" not in report.metadata


async def test_the_same_execute_again_is_accepted_again_and_not_run_again(
    app: Agent, plane: FakePlane, gate: Gate
) -> None:
    async with serving(app, plane) as work:
        work.executes("hold")
        work.executes("hold")
        await work.hears("accepted")
        await work.hears("accepted")
        gate.open.set()
        await work.hears("credit")
        await leave(app, work)

    assert len(plane.requests("ReportExecution")) == 1


async def test_more_executions_than_asked_for_are_run_all_the_same(
    app: Agent, plane: FakePlane, gate: Gate
) -> None:
    async with serving(app, plane) as work:
        for number in range(5):
            work.executes("hold", execution_id=f"exec_{number}")
        for _ in range(5):
            await gate.entered.acquire()
        gate.open.set()
        for _ in range(5):
            await work.hears("accepted")
        for _ in range(5):
            await work.hears("credit")
        await leave(app, work)


async def test_a_cancelled_function_is_stopped_and_not_reported(
    app: Agent, plane: FakePlane, gate: Gate
) -> None:
    async with serving(app, plane) as work:
        work.executes("hold")
        await work.hears("accepted")
        await gate.entered.acquire()
        work.cancels()
        await work.hears("credit")
        assert gate.stopped.is_set()
        await leave(app, work)

    assert not plane.requests("ReportExecution")


async def test_a_cancel_before_the_function_began_gives_the_credit_back(
    app: Agent, plane: FakePlane, gate: Gate
) -> None:
    async with serving(app, plane) as work:
        work.executes("hold")
        work.cancels()
        work.cancels("exec_unheard_of")
        await work.hears("accepted")
        await work.hears("credit")
        await leave(app, work)

    assert not plane.requests("ReportExecution")


async def test_a_cancelled_function_that_still_returns_is_reported(
    app: Agent, plane: FakePlane, gate: Gate
) -> None:
    @app.skill
    async def stubborn() -> str:
        try:
            await gate()
        except asyncio.CancelledError:
            return "anyway"
        return "untouched"

    async with serving(app, plane) as work:
        work.executes("stubborn")
        await gate.entered.acquire()
        work.cancels()
        await plane.until_heard("ReportExecution")
        await work.hears("accepted")
        await work.hears("credit")
        await leave(app, work)

    assert plane.requests("ReportExecution")[0].result == b'"anyway"'


async def test_a_function_that_does_not_stop_gives_its_slot_up_and_may_still_report(
    app: Agent, plane: FakePlane, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agentfield_sdk.worker.STOP_SECONDS", 0.05)

    @app.skill
    async def deaf() -> str:
        try:
            await gate()
        except asyncio.CancelledError:
            await gate()
        return "at last"

    async with serving(app, plane) as work:
        work.executes("deaf")
        await gate.entered.acquire()
        work.cancels()
        await work.hears("accepted")
        await work.hears("credit")
        assert not plane.requests("ReportExecution")
        gate.open.set()
        await plane.until_heard("ReportExecution")
        await leave(app, work)

    assert plane.requests("ReportExecution")[0].result == b'"at last"'


async def test_a_cancel_does_not_stop_a_report_that_is_on_its_way(
    app: Agent, plane: FakePlane
) -> None:
    answered = asyncio.Event()

    async def slowly(_: Any) -> ReportExecutionResponse:
        await answered.wait()
        return ANSWER

    plane.answers_only("ReportExecution", slowly)

    async with serving(app, plane) as work:
        work.executes("double", b'{"n": 1}')
        await work.hears("accepted")
        await plane.until_heard("ReportExecution")
        work.cancels()
        work.executes("double", b'{"n": 2}', execution_id="exec_2")
        await work.hears("accepted")
        await plane.until_heard("ReportExecution", 2)
        assert work.requests.empty(), "the first is settled when its report is answered"
        answered.set()
        await work.hears("credit")
        await work.hears("credit")
        await leave(app, work)


async def test_a_thread_that_is_cancelled_is_abandoned(app: Agent, plane: FakePlane) -> None:
    inside, release = threading.Event(), threading.Event()

    @app.skill
    def block() -> None:
        inside.set()
        release.wait(10)

    async with serving(app, plane) as work:
        work.executes("block")
        await work.hears("accepted")
        await asyncio.to_thread(inside.wait, 10)
        work.cancels()
        await work.hears("credit")
        release.set()
        await leave(app, work)

    assert not plane.requests("ReportExecution")


async def test_a_function_that_fails_harms_no_other(
    app: Agent, plane: FakePlane, gate: Gate
) -> None:
    async with serving(app, plane) as work:
        work.executes("hold", execution_id="exec_held")
        await work.hears("accepted")
        work.executes("fail")
        work.executes("no_such_function", execution_id="exec_2")
        await work.hears("accepted")
        await work.hears("accepted")
        await work.hears("credit")
        await work.hears("credit")
        gate.open.set()
        await work.hears("credit")
        await leave(app, work)

    failed = ExecutionStatus.EXECUTION_STATUS_FAILED
    outcomes = {r.execution_id: r.status for r in plane.requests("ReportExecution")}
    assert outcomes == {
        "exec_1": failed,
        "exec_2": failed,
        "exec_held": ExecutionStatus.EXECUTION_STATUS_SUCCEEDED,
    }
