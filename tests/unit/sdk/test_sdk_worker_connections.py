"""Workers that lose their connection, and workers that leave."""

from __future__ import annotations

import asyncio

import pytest
from unit.sdk.fake_plane import FakePlane, leave, serving
from unit.sdk.holding import Gate, holding

from agentfield.v1 import errors
from agentfield.v1.node_service_pb2 import RegisterNodeResponse
from agentfield_sdk import Agent, worker

pytestmark = pytest.mark.unit


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def app(plane: FakePlane, gate: Gate) -> Agent:
    return holding(plane, gate)


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
