"""Tools: called by the model or the client, run once, answered once, cancelled, or gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from support.live import Desk, Line, declared, desk

from agentfield.config import Limits
from agentfield.executions.engine import Engine
from agentfield.executions.ports import Added
from agentfield.executions.submission import Submission
from agentfield.store.executions import SqlExecutions
from agentfield.testing import Call, Reply, Script, ScriptedFunction, ScriptedWorker
from agentfield.v1 import agent_service_pb2, errors, session_pb2
from agentfield.v1 import session_service_pb2 as pb

pytestmark = pytest.mark.integration

FIND = Call(name="find", arguments={"what": "hat"})
CALLS_IT = Script(replies=[Reply(when="hat", calls=[FIND])])
AWAY = declared("away", tools=["stock.check"], has_handler=False)


@asynccontextmanager
async def asked(
    script: Script = CALLS_IT,
    *flags: str,
    sessions: Sequence[session_pb2.SessionDeclaration] = (),
    name: str = "plain",
) -> AsyncIterator[tuple[Desk, Line]]:
    """Give a test a live session whose model leads, and whose caller asks for the hat."""
    options: dict[str, Any] = {"sessions": sessions} if sessions else {}
    async with desk(*flags, script=script, **options) as at:
        line = await (await at.start(name)).connect()
        await line.say("Where is my hat?")
        yield at, line


async def output_of(line: Line) -> Any:
    """Return what the model gets, once it has it."""
    delivered = await line.until("tool.delivered")
    told = await line.until("tool.output", item_id=delivered.data["item_id"])
    return orjson.loads(told.data["output"])


def outputs(at: Desk) -> list[Any]:
    """Return the outputs that were sent to the provider."""
    items = [entry.body["item"] for entry in at.sent("conversation.item.create")]
    return [item for item in items if item["type"] == "function_call_output"]


async def test_a_repeated_invocation_is_one_execution_with_one_set_of_events() -> None:
    async with desk() as at:
        line = await at.start("plain")
        async with asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(line.invoke("find", request_id="r")) for _ in range(4)]
        (execution_id,) = {each.result().execution_id for each in asking}
        await at.worker.report(at.worker.accept(await at.worker.take()))
        await line.until("tool.finished", execution_id=execution_id)
        assert (await line.invoke("find", request_id="r")).execution_id == execution_id
        await line.end()
        tools = [event.type for event in await line.read() if event.type.startswith("tool.")]
        assert tools == ["tool.called", "tool.started", "tool.finished"]


async def test_a_call_runs_once_although_it_is_not_known_whether_it_was_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = SqlExecutions.add
    lost: list[str] = []

    async def add(self: SqlExecutions, submission: Submission, limits: Limits) -> Added:
        added = await store(self, submission, limits)
        if submission.rpc == "session.tool" and not lost:
            lost.append(added.execution.execution_id)
            raise errors.StoreUnavailable("whether this was stored is not known")
        return added

    monkeypatch.setattr(SqlExecutions, "add", add)
    async with asked() as (at, line):
        taken = await at.worker.take()
        await at.worker.report(at.worker.accept(taken), result=b'"here"')
        assert await output_of(line) == "here"
        assert lost == [taken.execution_id]
        assert len(outputs(at)) == 1
        await line.end()


async def test_a_result_that_could_not_be_read_at_once_is_told_when_it_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outcome = Engine.outcome
    lost: list[str] = []

    async def read(self: Engine, execution_id: str) -> Any:
        done = await outcome(self, execution_id)
        if not lost:
            lost.append(execution_id)
            raise errors.StoreUnavailable("not now")
        return done

    monkeypatch.setattr(Engine, "outcome", read)
    async with asked() as (at, line):
        await at.worker.report(at.worker.accept(await at.worker.take()), result=b'"here"')
        assert await output_of(line) == "here"
        assert len(lost) == 1
        await line.end()


async def test_what_a_client_invokes_is_not_told_to_the_model() -> None:
    async with asked() as (at, line):
        for_the_model = at.worker.accept(await at.worker.take())
        mine = await line.invoke("find", input=b'{"what": "key"}')
        for_me = at.worker.accept(await at.worker.take())
        assert for_me.execution_id == mine.execution_id
        await at.worker.report(for_me, b'"in the door"')
        await line.until("tool.finished", execution_id=mine.execution_id)
        await at.worker.report(for_the_model, b'"in the attic"')
        assert await output_of(line) == "in the attic"
        (output,) = outputs(at)
        assert output["output"] == '"in the attic"'


async def test_a_call_of_the_model_can_be_asked_for_by_its_id() -> None:
    both = Script(replies=[Reply(when="hat", calls=[FIND, Call(name="secret")])])
    async with asked(both) as (at, line):
        called = await line.until("tool.called", name="find")
        refused = await line.until("tool.refused", name="secret")
        found = await line.invoke("anything", call_id=called.data["call_id"], input=b'{"a": 1}')
        execute = await at.worker.take()
        assert execute.execution_id == found.execution_id
        assert orjson.loads(execute.input) == {"what": "hat"}
        with pytest.raises(errors.ToolNotAllowed, match="secret"):
            await line.invoke("find", call_id=refused.data["call_id"])


async def test_a_tool_that_nobody_offers_any_more_is_an_error_the_model_can_talk_about() -> None:
    script = Script(replies=[Reply(when="hat", calls=[Call(name="check")])])
    async with (
        desk(script=script) as at,
        ScriptedWorker(at.plane, "stock", "check"),
        at.colleague(AWAY),
    ):
        line = await (await at.start("away")).connect()
        await ScriptedWorker(at.plane, "stock", "other").register()
        await line.say("Where is my hat?")
        finished = await line.until("tool.finished")
        output = await output_of(line)
        assert (finished.data["status"], finished.data["execution_id"]) == ("failed", "")
        assert output["error"]["reason"] == "TARGET_NOT_FOUND"
        assert "stock" in output["error"]["message"]


async def test_a_tool_whose_node_is_away_is_late_for_the_model_and_run_by_nobody() -> None:
    script = Script(replies=[Reply(when="hat", calls=[Call(name="check")])])
    brief = declared(
        "brief", tools=["stock.check"], has_handler=False, limits={"tool_timeout": 0.3}
    )
    async with desk(script=script) as at, at.colleague(brief):
        async with ScriptedWorker(at.plane, "stock", "check"):
            line = await (await at.start("brief")).connect()
        await line.say("Where is my hat?")
        assert (await output_of(line))["error"]["reason"] == "EXECUTION_TIMED_OUT"


async def test_a_tool_whose_worker_is_lost_is_an_error_the_model_can_talk_about() -> None:
    script = Script(replies=[Reply(when="hat", calls=[Call(name="check")])])
    async with (
        desk("--agent-grace=0.2", script=script) as at,
        ScriptedWorker(at.plane, "stock", "check") as stock,
        at.colleague(AWAY),
    ):
        line = await (await at.start("away")).connect()
        await line.say("Where is my hat?")
        stock.accept(await stock.take())
        stock.drop()
        assert (await output_of(line))["error"]["reason"] == "AGENT_LOST"


async def test_a_cancelled_tool_is_told_to_the_model() -> None:
    async with asked() as (at, line):
        running = at.worker.accept(await at.worker.take())
        await at.plane.cancel(running.execution_id, "not needed")
        finished = await line.until("tool.finished", execution_id=running.execution_id)
        assert finished.data["status"] == "cancelled"
        assert (await output_of(line))["error"]["reason"] == "EXECUTION_CANCELLED"
        await line.until("agent.asked", kind="continue")


@pytest.mark.parametrize("cancels", [True, False])
async def test_speech_over_the_agent_cancels_a_tool_only_where_that_is_declared(
    cancels: bool,
) -> None:
    option = session_pb2.ToolOptions(tool="find", cancel_on_interrupt=cancels)
    session = declared("cut", has_handler=False, tool_options=[option])
    slow = Reply(when="hat", says="One moment please.", speaks_ms=30_000, calls=[FIND])
    async with asked(Script(replies=[slow]), sessions=[session], name="cut") as (at, line):
        running = at.worker.accept(await at.worker.take())
        await line.until("tool.started")
        await line.say("Forget it.")
        await line.until("agent.interrupted")
        if cancels:
            message = await at.worker.receive()
            assert message.cancel.execution_id == running.execution_id
            assert (await output_of(line))["error"]["reason"] == "EXECUTION_CANCELLED"
        else:
            assert await at.worker.report(running, b'"attic"')
            assert await output_of(line) == "attic"


async def test_a_tool_that_is_cut_before_it_has_become_an_execution_is_cancelled_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from agentfield.live.toolruns import ToolRuns

    original, go_on = ToolRuns.submit, asyncio.Event()

    async def late(self: ToolRuns, *args: Any, **options: Any) -> Any:
        await go_on.wait()
        return await original(self, *args, **options)

    monkeypatch.setattr(ToolRuns, "submit", late)
    option = session_pb2.ToolOptions(tool="find", cancel_on_interrupt=True)
    session = declared("cut", has_handler=False, tool_options=[option])
    slow = Reply(when="hat", says="One moment please.", speaks_ms=30_000, calls=[FIND])
    async with asked(Script(replies=[slow]), sessions=[session], name="cut") as (_, line):
        await line.until("tool.called")
        await line.say("Forget it.")
        await line.until("agent.interrupted")
        go_on.set()
        assert (await output_of(line))["error"]["reason"] == "EXECUTION_CANCELLED"


async def test_a_tool_runs_on_when_the_session_has_ended() -> None:
    async with asked() as (at, line):
        running = at.worker.accept(await at.worker.take())
        await line.end()
        await line.ended()
        await at.worker.report(running, b"1")
        assert (await at.plane.get(running.execution_id)).result == b"1"
        assert outputs(at) == []
        with pytest.raises(errors.SessionEnded):
            await line.invoke("find")


async def test_what_does_not_fit_the_schema_does_not_run() -> None:
    schema = b'{"type": "object", "required": ["where"]}'
    function = ScriptedFunction(name="find", input_schema=schema)
    async with desk(script=CALLS_IT, functions=[function]) as at:
        line = await (await at.start("plain")).connect()
        await line.say("Where is my hat?")
        refused = await line.until("tool.refused")
        assert refused.data["reason"] == "INVALID_INPUT"
        output = await output_of(line)
        assert "where" in output["error"]["message"]
        run = pb.ListSessionWorkflowsRequest(session_id=line.session_id)
        told = await at.plane.call(at.plane.sessions.ListSessionWorkflows, run)
        assert [workflow.total_executions for workflow in told.workflows] == [1]


async def test_a_tool_and_a_target_that_disagree_are_refused() -> None:
    two = declared("two", tools=["find", "other"], has_handler=False)
    async with desk(functions=("find", "other"), sessions=[two]) as at:
        line = await at.start("two")
        with pytest.raises(errors.InvalidArgument):
            await line.invoke("find", target="desk.other")
        labelled = await line.invoke("a_label", target="desk.other")
        assert labelled.target == "desk.other"
        execute: agent_service_pb2.Execute = await at.worker.take()
        assert execute.function == "other"
