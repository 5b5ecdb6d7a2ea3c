"""Sessions as others see them: their root among the executions, lists, and the queries' indexes."""

from __future__ import annotations

import pytest
from support.plans import is_scan, plan
from support.stage import DECLARED, Stage, register

from agentfield.executions.model import Report, Status, reported
from agentfield.executions.ports import Scope
from agentfield.executions.work import Offer
from agentfield.identity import ANYONE
from agentfield.sessions.ports import (
    SessionFilter,
)
from agentfield.store.executions import SqlExecutions
from agentfield.store.sessions import newest_sessions
from agentfield.store.work import SqlWork
from agentfield.store.workflows import SqlWorkflows
from agentfield.v1 import errors

pytestmark = pytest.mark.integration


EVERYTHING = Scope(everything=True)


# --- the root among the executions ---


async def test_nobody_else_ends_or_claims_a_root(stage: Stage) -> None:
    session, _ = await stage.start()
    work = SqlWork(stage.database)
    executions = SqlExecutions(stage.database)
    worker_id = await register(stage.database, DECLARED)
    await work.connect(
        worker_id, "conn_1", max_executions=5, running=[], caller=ANYONE, replica_id="repl_1"
    )
    offer = Offer(
        worker_id=worker_id, node_id="n", instance_id="w", credit=5, connection_id="conn_1"
    )

    assert await work.claim([offer]) == []
    await work.disconnect(worker_id, "conn_1", unsent=[], for_good=False)
    stage.pass_(100)
    assert await work.give_up(grace=1) == []
    assert await executions.expire(10) == []
    report = Report(attempt=0, status=Status.SUCCEEDED)
    with pytest.raises(errors.AttemptSuperseded):
        await executions.change(
            session.root_execution_id, lambda e, _, now: reported(e, report, now=now)
        )

    assert (await stage.root(session)).is_active


async def test_what_a_session_calls_still_times_out(stage: Stage) -> None:
    session, _ = await stage.start()
    await stage.call_function(session, "exec_tool")
    stage.pass_(100)

    changed = await SqlExecutions(stage.database).expire(10)

    assert [e.execution_id for e in changed] == ["exec_tool"]


async def test_a_run_is_active_until_its_session_has_ended(stage: Stage) -> None:
    session, _ = await stage.start()
    workflows = SqlWorkflows(stage.database)
    before = await workflows.summary("run_1")
    await stage.end(session)
    after = await workflows.summary("run_1")

    assert before is not None
    assert after is not None
    assert (before.active, before.completed_at) == (1, None)
    assert (after.active, after.failed, after.completed_at) == (0, 0, stage.clock[0])
    runs, _ = await workflows.list_runs("sess_1", EVERYTHING, before_seq=None, limit=5)
    assert [run.root.execution_id for run in runs] == [session.root_execution_id]


# --- reading ---


async def test_sessions_are_listed_from_the_newest_by_what_one_may_see(stage: Stage) -> None:
    for number in (1, 2, 3, 4):
        session, _ = await stage.start(
            number,
            token=bytes([number]),
            name="sales" if number == 4 else "support",
            caller="other" if number == 3 else "web",
        )
        if number == 2:
            await stage.end(session)

    async def ids(scope: Scope, **where: str) -> list[str]:
        page = await stage.store.page(SessionFilter(**where), scope, before_seq=None, limit=10)
        return [session.session_id for session in page.sessions]

    web = Scope(everything=False, owner="web")
    assert await ids(EVERYTHING) == ["sess_4", "sess_3", "sess_2", "sess_1"]
    assert await ids(web) == ["sess_4", "sess_2", "sess_1"]
    assert await ids(web, state="ended") == ["sess_2"]
    assert await ids(EVERYTHING, node_id="n", name="support", state="pending") == [
        "sess_3",
        "sess_1",
    ]
    assert await ids(Scope(everything=False, owner="bot", nodes=("n",))) == await ids(EVERYTHING)
    assert await ids(Scope(everything=False, owner="bot", nodes=("m",))) == []

    first = await stage.store.page(SessionFilter(), web, before_seq=None, limit=2)
    rest = await stage.store.page(SessionFilter(), web, before_seq=first.next_seq, limit=2)
    assert [s.session_id for s in first.sessions] == ["sess_4", "sess_2"]
    assert [s.session_id for s in rest.sessions] == ["sess_1"]
    assert rest.next_seq is None


async def test_functions_are_found_by_target(stage: Stage) -> None:
    found = await stage.store.functions(["n.look", "n.a.b", "n.gone", "nonsense"])

    assert sorted(found) == ["n.a.b", "n.look"]
    assert (found["n.a.b"].node_id, found["n.a.b"].name) == ("n", "a.b")
    assert found["n.look"].description == "Looks."


async def test_the_frequent_queries_use_their_indexes(stage: Stage) -> None:
    client = Scope(everything=False, owner="web")
    agent = Scope(everything=False, owner="bot", nodes=("n", "m"))
    queries: dict[str, tuple[str, list[str | int]]] = {
        "a client's list": newest_sessions(SessionFilter(), client, None, 10),
        "an agent's list": newest_sessions(SessionFilter(state="live"), agent, None, 10),
        "calls in a state": ("SELECT * FROM provider_calls WHERE state = ?", ["ending"]),
        "of a target": (
            "SELECT count(*) FROM sessions WHERE state <> 'ended' AND node_id = ? AND name = ?",
            ["n", "support"],
        ),
    }
    plans = {name: await plan(stage.database, *query) for name, query in queries.items()}

    tables = ("sessions", "provider_calls")
    assert {n: p for n, p in plans.items() if any(is_scan(p, table) for table in tables)} == {}
