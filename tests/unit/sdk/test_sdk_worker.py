from __future__ import annotations

import asyncio
import threading
from typing import Any

import orjson
import pytest
from unit.sdk.fake_plane import FakePlane, leave, serving

from agentfield.v1 import errors
from agentfield.v1.execution_pb2 import ExecutionStatus
from agentfield.v1.execution_service_pb2 import ExecuteResponse, ReportExecutionResponse
from agentfield.v1.node_service_pb2 import RegisterNodeResponse
from agentfield_sdk import Agent, ExecutionContext, current, worker

pytestmark = pytest.mark.unit

ANSWER = ReportExecutionResponse()


class Gate:
    """Holds the executions of a test until it opens."""

    def __init__(self) -> None:
        self.entered = asyncio.Semaphore(0)
        self.open = asyncio.Event()
        self.stopped = asyncio.Event()

    async def __call__(self) -> str:
        self.entered.release()
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.stopped.set()
            raise
        return "through"


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def app(plane: FakePlane, gate: Gate) -> Agent:
    plane.answers("RegisterNode", RegisterNodeResponse(registration_id="reg_1"))
    plane.answers("ReportExecution", ANSWER)
    app = Agent("node", server=plane.address, version="7", max_executions=3)

    @app.skill
    async def double(n: int) -> int:
        return 2 * n

    @app.skill
    async def fail() -> None:
        raise asyncio.CancelledError

    @app.reasoner("hold", tags=["slow"], idempotent=True)
    async def wait_for_it() -> str:
        """Wait."""
        return await gate()

    return app


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


@pytest.mark.parametrize("way", ["breaks", "ends", "drains"])
async def test_a_lost_connection_is_made_again_with_what_still_runs(
    app: Agent, plane: FakePlane, gate: Gate, way: str
) -> None:
    async with serving(app, plane) as work:
        work.executes("hold", attempt=4)
        await work.hears("accepted")
        await gate.entered.acquire()

        getattr(work, way)()
        again = await plane.work()
        hello = await again.hears("hello")
        again.welcomes()
        gate.open.set()
        await again.hears("credit")
        await leave(app, again)

    assert [(one.execution_id, one.attempt) for one in hello.running] == [("exec_1", 4)]
    assert len(plane.requests("RegisterNode")) == 1
    assert len(plane.requests("ReportExecution")) == 1


async def test_what_was_reported_while_disconnected_is_not_running_any_more(
    app: Agent, plane: FakePlane, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(app, plane) as work:
        work.executes("hold")
        await work.hears("accepted")
        work.breaks()
        again = await plane.work()
        assert len((await again.hears("hello")).running) == 1
        gate.open.set()
        await again.hears("credit")
        again.breaks()
        third = await plane.work()
        hello = await third.hears("hello")
        third.welcomes()
        await leave(app, third)

    assert not hello.running


async def test_a_registration_that_was_forgotten_is_made_again_for_the_same_instance(
    app: Agent, plane: FakePlane
) -> None:
    plane.answers("RegisterNode", RegisterNodeResponse(registration_id="reg_2"))

    async with serving(app, plane) as work:
        work.breaks(errors.RegistrationNotFound("Who are you?"))
        again = await plane.work()
        hello = await again.hears("hello")
        again.welcomes()
        await leave(app, again)

    first, second = plane.requests("RegisterNode")
    assert first == second
    assert hello.registration_id == "reg_2"


async def test_a_server_that_does_not_welcome_is_tried_again(
    app: Agent, plane: FakePlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "ANSWER_SECONDS", 0.05)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(app.serve())
        await plane.work()
        monkeypatch.undo()
        again = await plane.work()
        await again.hears("hello")
        again.welcomes()
        await leave(app, again)


@pytest.mark.parametrize(
    "refusal",
    [
        errors.PermissionDenied("Not this node."),
        errors.Unauthenticated("Who are you?"),
        errors.InvalidArgument("Not a name."),
    ],
)
async def test_a_refusal_at_first_is_raised_as_it_is(
    plane: FakePlane, refusal: errors.AgentFieldError
) -> None:
    plane.answers("RegisterNode", refusal)
    app = Agent("node", server=plane.address)

    with pytest.raises(type(refusal), match=refusal.message):
        await app.serve()


async def test_a_refusal_after_a_good_connection_is_tried_again(
    app: Agent, plane: FakePlane
) -> None:
    async with serving(app, plane) as work:
        work.executes("double", b'{"n": 1}')
        await work.hears("accepted")
        await work.hears("credit")
        work.breaks(errors.Unauthenticated("The key has changed."))
        again = await plane.work()
        await again.hears("hello")
        again.welcomes()
        await leave(app, again)


async def test_draining_waits_for_running_work_and_for_work_that_is_on_its_way(
    app: Agent, plane: FakePlane, gate: Gate
) -> None:
    async with serving(app, plane) as work:
        work.executes("hold")
        await work.hears("accepted")
        app.stop()
        await work.hears("drain")
        work.executes("double", b'{"n": 1}', execution_id="exec_2")
        work.drains()
        assert (await work.hears("accepted")).execution_id == "exec_2"
        await work.hears("credit")
        assert work.requests.empty()
        gate.open.set()
        await work.hears("credit")
        await work.hears("goodbye")
        await work.hears("end")
        work.ends()

    assert len(plane.requests("ReportExecution")) == 2


async def test_an_idle_worker_leaves_only_when_nothing_more_can_come(
    app: Agent, plane: FakePlane
) -> None:
    async with serving(app, plane) as work:
        app.stop()
        await work.hears("drain")
        work.executes("double", b'{"n": 1}')
        await work.hears("accepted")
        await work.hears("credit")
        work.drains()
        await work.hears("goodbye")
        await work.hears("end")
        work.ends()


async def test_draining_goes_on_over_a_lost_connection(
    app: Agent, plane: FakePlane, gate: Gate
) -> None:
    async with serving(app, plane) as work:
        work.executes("hold")
        await work.hears("accepted")
        app.stop()
        await work.hears("drain")
        work.breaks()
        again = await plane.work()
        assert len((await again.hears("hello")).running) == 1
        again.welcomes()
        await again.hears("drain")
        again.drains()
        gate.open.set()
        await again.hears("credit")
        await again.hears("goodbye")
        await again.hears("end")
        again.ends()


async def test_draining_that_takes_too_long_says_goodbye_and_stops_what_runs(
    app: Agent, plane: FakePlane, gate: Gate
) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(app.serve(drain_timeout=0.05))
        work = await plane.work()
        await work.hears("hello")
        work.welcomes()
        work.executes("hold")
        await work.hears("accepted")
        await leave(app, work)

    assert gate.stopped.is_set()


async def test_a_worker_that_never_connected_leaves_at_once() -> None:
    app = Agent("node", server="127.0.0.1:1")
    async with asyncio.timeout(5):
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(app.serve())
            while app._stop is None:
                await asyncio.sleep(0)
            app.stop()

    assert serving.exception() is None
