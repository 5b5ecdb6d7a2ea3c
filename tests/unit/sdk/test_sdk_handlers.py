from __future__ import annotations

import asyncio
from typing import Any

import pytest
from unit.sdk.declared import OPENAI
from unit.sdk.fake_plane import FakePlane, leave, serving

from agentfield.v1 import agent_service_pb2 as pb
from agentfield.v1 import errors
from agentfield.v1.execution_service_pb2 import ReportExecutionResponse
from agentfield.v1.node_service_pb2 import RegisterNodeResponse
from agentfield_sdk import Agent, RealtimeSession, handlers

pytestmark = pytest.mark.unit

ANSWER = pb.ReportHandlerResponse()


class Gate:
    """Holds handlers until it opens."""

    def __init__(self) -> None:
        self.entered = asyncio.Semaphore(0)
        self.open = asyncio.Event()
        self.stopped: list[tuple[str, int]] = []

    async def __call__(self, session: RealtimeSession) -> None:
        self.entered.release()
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.stopped.append((session.id, session.attempt))
            raise


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def app(plane: FakePlane, gate: Gate) -> Agent:
    plane.answers("RegisterNode", RegisterNodeResponse(registration_id="reg_1"))
    plane.answers("ReportHandler", ANSWER)
    app = Agent("node", server=plane.address, max_executions=1, max_sessions=7)

    @app.session("voice", **OPENAI)
    async def hold(session: RealtimeSession) -> None:
        await gate(session)

    app.add_session("free", **OPENAI)
    return app


def reports(plane: FakePlane) -> list[tuple[str, int, int]]:
    return [(r.session_id, r.attempt, r.outcome) for r in plane.requests("ReportHandler")]


async def test_hello_says_how_many_handlers_may_run_and_which_do(
    app: Agent, plane: FakePlane, gate: Gate
) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(app.serve())
        work = await plane.work()
        first = await work.hears("hello")
        work.welcomes()
        for number in (1, 2):
            work.starts(attempt=number, session_id=f"sess_{number}")
            (await plane.handling()).opens()
            await gate.entered.acquire()
        work.breaks()
        again = await plane.work()
        second = await again.hears("hello")
        again.welcomes()
        gate.open.set()
        await plane.until_heard("ReportHandler", 2)
        await leave(app, again)

    assert (first.max_sessions, list(first.handlers)) == (7, [])
    running = [(one.session_id, one.attempt) for one in second.handlers]
    assert running == [("sess_1", 1), ("sess_2", 2)]
    assert not plane.requests("ReportExecution")


async def test_a_handler_goes_on_while_the_worker_is_not_connected(
    app: Agent, plane: FakePlane, gate: Gate
) -> None:
    async with serving(app, plane) as work:
        work.starts()
        handling = await plane.handling()
        handling.opens()
        await gate.entered.acquire()
        work.breaks()
        again = await plane.work()
        await again.hears("hello")
        again.welcomes()
        assert not handling.left.is_set()
        gate.open.set()
        await plane.until_heard("ReportHandler")
        await leave(app, again)

    assert reports(plane) == [("sess_1", 1, pb.HANDLER_OUTCOME_RETURNED)]
    assert plane.handlings.empty()


async def test_handlers_use_no_credit(app: Agent, plane: FakePlane, gate: Gate) -> None:
    plane.answers("ReportExecution", ReportExecutionResponse())

    @app.skill
    async def answer() -> int:
        return 42

    async with serving(app, plane) as work:
        work.starts()
        (await plane.handling()).opens()
        await gate.entered.acquire()
        work.executes("answer")
        await work.hears("accepted")
        gate.open.set()
        await plane.until_heard("ReportHandler")
        assert (await work.hears("credit")).executions == 1, "of the execution"
        await leave(app, work)  # which hears no other credit


async def test_the_same_start_again_or_an_older_one_starts_nothing(
    app: Agent, plane: FakePlane, gate: Gate
) -> None:
    async with serving(app, plane) as work:
        work.starts(attempt=2)
        (await plane.handling()).opens()
        await gate.entered.acquire()
        work.starts(attempt=2)
        work.starts(attempt=1)
        work.starts(session_id="sess_2")
        other = await plane.handling()
        other.opens()
        await gate.entered.acquire()
        gate.open.set()
        await plane.until_heard("ReportHandler", 2)
        await leave(app, work)

    assert other.request.session_id == "sess_2"
    assert plane.handlings.empty()
    assert gate.stopped == []


async def test_a_newer_attempt_stops_the_older_one_without_a_word(
    app: Agent, plane: FakePlane, gate: Gate
) -> None:
    async with serving(app, plane) as work:
        work.starts(attempt=1)
        (await plane.handling()).opens()
        await gate.entered.acquire()
        work.starts(attempt=2)
        newer = await plane.handling()
        newer.opens()
        await gate.entered.acquire()
        gate.open.set()
        await plane.until_heard("ReportHandler")
        await leave(app, work)

    assert newer.request.attempt == 2
    assert gate.stopped == [("sess_1", 1)]
    assert reports(plane) == [("sess_1", 2, pb.HANDLER_OUTCOME_RETURNED)]


@pytest.mark.parametrize("name", ["unheard_of", "free"])
async def test_a_session_without_a_handler_here_has_failed(
    app: Agent, plane: FakePlane, name: str
) -> None:
    async with serving(app, plane) as work:
        work.starts(name=name)
        await plane.until_heard("ReportHandler")
        await leave(app, work)

    assert reports(plane) == [("sess_1", 1, pb.HANDLER_OUTCOME_FAILED)]
    assert name in plane.requests("ReportHandler")[0].error


async def test_a_report_is_repeated_until_it_is_answered(
    app: Agent, plane: FakePlane, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "_REFUSED_SECONDS", 0.01)
    away = errors.StoreUnavailable("The disk is full.", retry_after=0.01)
    plane.answers_only("ReportHandler", away)
    plane.answers("ReportHandler", errors.Internal("Odd."), ANSWER)
    gate.open.set()

    async with serving(app, plane) as work:
        work.starts()
        (await plane.handling()).opens()
        await plane.until_heard("ReportHandler", 3)
        await leave(app, work)

    assert len({request.SerializeToString() for request in plane.requests("ReportHandler")}) == 1


@pytest.mark.parametrize(
    "no", [errors.SessionNotFound("None."), errors.PermissionDenied("Not yours.")]
)
async def test_a_report_that_is_not_wanted_is_let_go(
    app: Agent, plane: FakePlane, gate: Gate, no: errors.AgentFieldError
) -> None:
    plane.answers_only("ReportHandler", no)
    gate.open.set()

    async with serving(app, plane) as work:
        work.starts()
        (await plane.handling()).opens()
        await plane.until_heard("ReportHandler")
        await leave(app, work)

    assert len(plane.requests("ReportHandler")) == 1


async def test_a_handler_runs_until_its_report_is_answered(
    app: Agent, plane: FakePlane, gate: Gate
) -> None:
    answered = asyncio.Event()

    async def slowly(_: Any) -> pb.ReportHandlerResponse:
        await answered.wait()
        return ANSWER

    plane.answers_only("ReportHandler", slowly)
    gate.open.set()

    async with serving(app, plane) as work:
        work.starts()
        (await plane.handling()).opens()
        await plane.until_heard("ReportHandler")
        work.breaks()
        again = await plane.work()
        hello = await again.hears("hello")
        again.welcomes()
        answered.set()
        await leave(app, again)

    assert [one.session_id for one in hello.handlers] == ["sess_1"]


async def test_draining_waits_for_handlers(app: Agent, plane: FakePlane, gate: Gate) -> None:
    async with serving(app, plane) as work:
        work.starts()
        handling = await plane.handling()
        handling.opens()
        await gate.entered.acquire()
        app.stop()
        await work.hears("drain")
        work.drains()
        await asyncio.sleep(0.05)
        assert work.requests.empty(), "no goodbye while a handler runs"
        gate.open.set()
        await work.hears("goodbye")
        await work.hears("end")
        work.ends()

    assert reports(plane) == [("sess_1", 1, pb.HANDLER_OUTCOME_RETURNED)]


async def test_draining_that_takes_too_long_gives_handlers_to_other_workers(
    app: Agent, plane: FakePlane, gate: Gate
) -> None:
    async with serving(app, plane, drain_timeout=0.05) as work:
        for session_id in ("sess_1", "sess_2"):
            work.starts(attempt=3, session_id=session_id)
            (await plane.handling()).opens()
            await gate.entered.acquire()
        await leave(app, work)

    assert sorted(gate.stopped) == [("sess_1", 3), ("sess_2", 3)]
    assert sorted(reports(plane)) == [
        ("sess_1", 3, pb.HANDLER_OUTCOME_LOST),
        ("sess_2", 3, pb.HANDLER_OUTCOME_LOST),
    ]


async def test_a_handler_that_returns_only_because_it_was_stopped_is_lost(
    app: Agent, plane: FakePlane
) -> None:
    inside = asyncio.Event()

    @app.session("polite", **OPENAI)
    async def polite(session: RealtimeSession) -> None:
        try:
            inside.set()
            await session.input()
        except asyncio.CancelledError:
            return

    async with serving(app, plane, drain_timeout=0.05) as work:
        work.starts(name="polite")
        (await plane.handling()).opens()
        await inside.wait()
        await leave(app, work)

    assert reports(plane) == [("sess_1", 1, pb.HANDLER_OUTCOME_LOST)]


async def test_a_worker_that_is_cancelled_reports_nothing(
    app: Agent, plane: FakePlane, gate: Gate
) -> None:
    async with asyncio.TaskGroup() as tasks:
        serving_ = tasks.create_task(app.serve())
        work = await plane.work()
        work.welcomes()
        work.starts()
        handling = await plane.handling()
        handling.opens()
        await gate.entered.acquire()
        serving_.cancel()
        await handling.left.wait()

    assert gate.stopped == [("sess_1", 1)]
    assert reports(plane) == []


async def test_a_report_that_nobody_takes_does_not_keep_a_worker(
    app: Agent, plane: FakePlane, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agentfield_sdk.worker.ANSWER_SECONDS", 0.1)
    plane.answers_only("ReportHandler", errors.StoreUnavailable("Full.", retry_after=0.01))

    async with serving(app, plane, drain_timeout=0.05) as work:
        work.starts()
        (await plane.handling()).opens()
        await gate.entered.acquire()
        await leave(app, work)

    assert {outcome for _, _, outcome in reports(plane)} == {pb.HANDLER_OUTCOME_LOST}
