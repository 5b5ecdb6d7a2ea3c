"""Sessions on disk: their start, their log, what their owner changes, and how their words leave."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from support.plans import is_scan, plan
from support.rows import columns
from support.stage import DECLARED, SECOND, TOOL, Stage, register, staged
from support.storage import Storage

from agentfield.executions.model import Failure, Kind, Report, Status, reported
from agentfield.executions.ports import Scope
from agentfield.executions.work import Offer
from agentfield.identity import ANYONE
from agentfield.sessions.declaration import Declaration
from agentfield.sessions.model import (
    CallState,
    EndReason,
    Event,
    HandlerState,
    ProviderCall,
    Session,
    State,
    ToolCall,
    connecting,
    ended,
    live,
)
from agentfield.sessions.ports import (
    Append,
    Begun,
    Change,
    EndRoot,
    Found,
    Position,
    PutCall,
    PutSession,
    PutToolCall,
    SessionFilter,
    Start,
)
from agentfield.sessions.sharing import Unowned
from agentfield.store.database import Connection, Database
from agentfield.store.executions import SqlExecutions
from agentfield.store.sessions import newest_sessions
from agentfield.store.work import SqlWork
from agentfield.store.workflows import SqlWorkflows
from agentfield.v1 import errors

pytestmark = pytest.mark.integration

EVERYTHING = Scope(everything=True)


@pytest.fixture(name="stage")
async def _stage(storage: Storage) -> AsyncIterator[Stage]:
    async with staged(storage) as stage:
        yield stage


# --- start ---


async def test_a_session_starts_with_its_root_its_first_events_and_its_token(stage: Stage) -> None:
    session, created = await stage.start()

    assert created
    assert session == await stage.store.get("sess_1")
    assert (session.seq, session.last_sequence, session.declaration) == (1, 1, DECLARED)
    assert session.tools == (TOOL,)
    assert session.metadata == b'{"who": "a secret"}'
    assert await stage.store.events("sess_1", after=0, limit=10) == [
        Event(type="session.started", data={"model": "m"}, sequence=1, at=stage.clock[0])
    ]
    root = await stage.root(session)
    assert (root.kind, root.status, root.started_at) == (
        Kind.SESSION,
        Status.RUNNING,
        stage.clock[0],
    )
    token = await stage.store.token(hashlib.sha256(b"t").digest())
    assert token is not None
    assert (token.session_id, token.created_by, token.ended_at) == ("sess_1", "web", None)
    assert token.expires_at == session.created_at + 3600 * SECOND
    assert await stage.store.token(hashlib.sha256(b"other").digest()) is None


async def test_a_start_sees_what_is_declared_and_how_many_go_on(stage: Stage) -> None:
    first, _ = await stage.start(1)
    await stage.start(2, token=b"2", name="sales")
    await stage.start(3, token=b"3", caller="other")
    await stage.end(first)
    await stage.start(4, token=b"4")

    found = stage.found[-1]
    assert (found.node_exists, found.now) == (True, stage.clock[0])
    assert dict(found.declarations) == {
        "support": DECLARED,
        "sales": replace(DECLARED, name="sales"),
    }
    # A dotted entry may be another node's function, or one of this node with a dot in its name.
    assert sorted(found.functions) == ["m.look", "n.a.b", "n.look"]
    assert found.functions["m.look"].input_schema == b'{"x":1}'
    assert (found.sessions_of_target, found.sessions_of_caller) == (1, 1)


async def test_a_start_that_is_refused_stores_nothing(stage: Stage) -> None:
    def refuse(found: Found) -> Begun:
        assert not found.node_exists
        raise errors.NodeNotFound("no")

    start = Start(
        node_id="nowhere",
        name="x",
        caller_name="web",
        start_token_id="",
        request_id="r",
        fingerprint=b"f",
        token_sha256=b"t",
        token_expires_at=lambda _: 0,
        replica_id="repl_1",
    )
    with pytest.raises(errors.NodeNotFound):
        await stage.store.start(start, refuse)

    assert await stage.store.token(b"t") is None
    assert await stage.store.get("sess_x") is None
    with pytest.raises(errors.NodeNotFound):
        await stage.store.start(replace(start, fingerprint=b"other"), refuse)


async def test_a_repeated_start_returns_the_same_session_with_a_fresh_token(stage: Stage) -> None:
    first, _ = await stage.start(1, request_id="r", token=b"a")
    await stage.store.commit("sess_1", 0, [PutSession(session=connecting(first, generation=1))])
    again, created = await stage.start(2, request_id="r", token=b"b")

    assert (again.session_id, again.state, created) == ("sess_1", State.CONNECTING, False)
    for token in (b"a", b"b"):
        stored = await stage.store.token(hashlib.sha256(token).digest())
        assert stored is not None
        assert stored.session_id == "sess_1"
    assert await stage.store.get("sess_2") is None
    with pytest.raises(errors.RequestIdReused):
        await stage.start(3, request_id="r", fingerprint=b"other", token=b"c")
    _, created = await stage.start(4, request_id="r", caller="somebody else", token=b"d")
    assert created


async def test_a_request_id_may_be_used_again_after_a_day(stage: Stage) -> None:
    await stage.start(1, request_id="r", token=b"a")
    stage.pass_(24 * 3600)

    session, created = await stage.start(2, request_id="r", fingerprint=b"other", token=b"b")

    assert (session.session_id, created) == ("sess_2", True)


# --- what its owner changes ---


async def test_a_commit_numbers_events_without_gaps_and_stores_what_changed(stage: Stage) -> None:
    session, _ = await stage.start()
    other, _ = await stage.start(2, token=b"2")
    now_live = replace(
        live(connecting(session, generation=1), now=7),
        handler=HandlerState.RUNNING,
        attempt=2,
        instructions="Speak up.",
        tools=(),
        usage={"total_tokens": 12},
        last_sequence=99,
    )
    stage.pass_(1)
    events = await stage.store.commit(
        "sess_1",
        0,
        [
            Append(type="session.connecting", data={"generation": 1}),
            PutSession(session=now_live),
            Append(type="session.live", data={}),
        ],
    )
    more = await stage.store.commit("sess_1", 0, [Append(type="item.added", data={"x": [1]})])

    assert [(e.sequence, e.type, e.at) for e in (*events, *more)] == [
        (2, "session.connecting", stage.clock[0]),
        (3, "session.live", stage.clock[0]),
        (4, "item.added", stage.clock[0]),
    ]
    assert await stage.store.events("sess_1", after=1, limit=2) == events
    assert await stage.store.events("sess_1", after=3, limit=2) == more
    assert await stage.store.get("sess_1") == replace(now_live, last_sequence=4)
    assert await stage.store.get("sess_2") == other
    assert await stage.store.position("sess_1") == Position(
        last_sequence=4, is_over=False, deleted=False
    )
    assert await stage.store.position("sess_9") is None


async def test_every_stored_event_carries_the_version_of_its_shape(stage: Stage) -> None:
    await stage.start()

    sql = "SELECT payload, snapshot, tools FROM session_events, sessions"
    payloads = await stage.database.read(lambda c: c.execute(sql).fetchall())

    assert payloads
    assert all(value.startswith(b'{"schema":1') for row in payloads for value in row)


async def test_of_a_commit_that_fails_nothing_is_stored(stage: Stage) -> None:
    session, _ = await stage.start()
    changes: list[Change] = [
        Append(type="session.ended", data={}),
        PutSession(session=ended(session, EndReason.API_ENDED, "", now=1)),
    ]
    with pytest.raises(Unowned):
        await stage.store.commit("sess_1", 1, changes)
    with pytest.raises(Unowned):
        await stage.store.commit("sess_9", 0, changes)

    assert await stage.store.get("sess_1") == session
    assert len(await stage.store.events("sess_1", after=0, limit=10)) == 1


def call(generation: int = 1, **values: object) -> ProviderCall:
    stored = ProviderCall(
        provider_call_id=f"call_{generation}",
        session_id="sess_1",
        generation=generation,
        provider="openai",
        transport="webrtc",
        state=CallState.CREATING,
        created_at=generation,
        offer_sha256=b"offer",
    )
    return replace(stored, **values)  # type: ignore[arg-type] # a table's row


async def test_provider_calls_are_kept_and_settled(stage: Stage) -> None:
    await stage.start()
    second = call(2)
    opened = call(1, state=CallState.OPEN, external_id="rtc_1", answer_sdp=b"v=0")
    for put in (second, call(1), opened):
        await stage.store.commit("sess_1", 0, [PutCall(call=put)])

    assert await stage.store.calls("sess_1") == [opened, second]
    assert await stage.store.calls_in(CallState.CREATING, owner="repl_1") == [second]

    await stage.store.settle_call("call_1", CallState.ENDING)
    ending = await stage.store.calls_in(CallState.ENDING, owner="repl_1")
    assert ending == [replace(opened, state=CallState.ENDING)]
    assert await stage.store.calls_in(CallState.ENDING, owner="repl_2") == []
    await stage.store.settle_call("call_1", CallState.ENDED)
    settled_at = stage.clock[0]
    stage.pass_(1)
    await stage.store.settle_call("call_1", CallState.ENDED)
    await stage.store.settle_call("call_2", CallState.ABANDONED)
    assert [(c.state, c.ended_at) for c in await stage.store.calls("sess_1")] == [
        (CallState.ENDED, settled_at),
        (CallState.ABANDONED, stage.clock[0]),
    ]


async def test_two_calls_of_one_generation_are_not_stored(stage: Stage) -> None:
    await stage.start()
    await stage.store.commit("sess_1", 0, [PutCall(call=call())])

    with pytest.raises(Exception, match=r"(?i)unique"):
        await stage.store.commit("sess_1", 0, [PutCall(call=call(provider_call_id="call_x"))])


TOOL_CALL = ToolCall(
    provider_call_id="call_1",
    call_id="c1",
    session_id="sess_1",
    name="look",
    arguments='{"a": "a secret"',
)


async def tool_calls(database: Database) -> list[tuple[object, ...]]:
    return await database.read(
        lambda c: c.execute(
            "SELECT provider_tool_call_id, arguments, execution_id, output, delivered_at"
            " FROM tool_calls ORDER BY provider_tool_call_id"
        ).fetchall()
    )


async def test_a_tool_call_has_one_row_from_its_arrival_to_its_delivery(stage: Stage) -> None:
    await stage.start()
    done = replace(TOOL_CALL, execution_id="exec_1", output_item_id="item_1", output="{}")
    delivered_at = stage.clock[0]
    for put in (TOOL_CALL, done, replace(done, delivered=True)):
        await stage.store.commit("sess_1", 0, [PutToolCall(call=put)])
    stage.pass_(1)
    await stage.store.commit("sess_1", 0, [PutToolCall(call=replace(done, delivered=True))])

    assert await tool_calls(stage.database) == [
        ("c1", TOOL_CALL.arguments, "exec_1", "{}", delivered_at)
    ]


async def test_the_root_ends_once(stage: Stage) -> None:
    session, _ = await stage.start()
    stage.pass_(1)
    failure = Failure(reason=errors.ExecutionFailed.reason, message="boom")
    failed = EndRoot(execution_id=session.root_execution_id, status=Status.FAILED, failure=failure)
    await stage.store.commit("sess_1", 0, [failed])
    stage.pass_(1)
    await stage.store.commit("sess_1", 0, [replace(failed, status=Status.SUCCEEDED, failure=None)])

    root = await stage.root(session)
    assert (root.status, root.failure) == (Status.FAILED, failure)
    assert root.completed_at == stage.clock[0] - SECOND
    assert root.duration_ms == 1000


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


# --- how words leave ---


async def test_only_a_session_that_has_ended_is_deleted(stage: Stage) -> None:
    await stage.start()

    with pytest.raises(errors.SessionActive, match="end it first"):
        await stage.store.delete("sess_1")
    assert await stage.store.delete("sess_9") is None


async def spoken(stage: Stage) -> Session:
    """Return an ended session with secrets wherever words can be."""
    session, _ = await stage.start()
    await stage.call_function(session, "exec_tool")
    report = Report(
        attempt=1,
        status=Status.FAILED,
        failure=Failure(
            reason=errors.ExecutionFailed.reason, message="a secret", details=b'{"s": "secret"}'
        ),
    )
    await SqlExecutions(stage.database).change(
        "exec_tool",
        lambda e, _, now: reported(replace(e, attempt=1, worker_id="w"), report, now=now),
    )
    await stage.store.commit(
        "sess_1",
        0,
        [
            Append(type="turn.transcribed", data={"text": "a secret"}),
            PutCall(call=call(answer_sdp=b"secret")),
            PutToolCall(call=replace(TOOL_CALL, output='"a secret"')),
            PutSession(session=replace(session, usage={"total_tokens": 3})),
        ],
    )
    return await stage.end(replace(session, usage={"total_tokens": 3}))


async def test_deleting_leaves_a_tombstone_and_no_words(stage: Stage) -> None:
    done = await spoken(stage)
    assert {place.partition(".")[0] for place in await words(stage.database, "sess_1")} == {
        "sessions",
        "session_events",
        "provider_calls",
        "tool_calls",
        "executions",
    }
    stage.pass_(1)

    gone = await stage.store.delete("sess_1")

    assert gone is not None
    assert (gone.deleted_at, gone.last_sequence, gone.usage) == (
        stage.clock[0],
        2,
        {"total_tokens": 3},
    )
    assert (gone.end_reason, gone.ended_at, gone.target) == (
        done.end_reason,
        done.ended_at,
        done.target,
    )
    assert gone.declaration == Declaration(
        name="support",
        provider="openai",
        transport="webrtc",
        model="m",
        voice="v",
        has_handler=True,
    )
    assert await stage.store.events("sess_1", after=0, limit=10) == []
    assert await stage.store.token(hashlib.sha256(b"t").digest()) is None
    assert await tool_calls(stage.database) == [("c1", "", None, None, None)]
    assert [c.answer_sdp for c in await stage.store.calls("sess_1")] == [None]
    tool = await SqlExecutions(stage.database).get("exec_tool")
    assert tool is not None
    assert (tool.input, tool.result, tool.status) == (b"{}", None, Status.FAILED)
    assert tool.failure == Failure(reason=errors.ExecutionFailed.reason, message="")
    assert await words(stage.database, "sess_1") == []
    position = await stage.store.position("sess_1")
    assert position == Position(last_sequence=2, is_over=True, deleted=True)


async def words(database: Database, session_id: str) -> list[str]:
    """Return the columns in which a secret stands."""
    tables = ("sessions", "session_events", "provider_calls", "tool_calls", "executions")
    return await database.read(
        lambda c: [place for table in tables for place in secrets_in(c, table, session_id)]
    )


def secrets_in(connection: Connection, table: str, session_id: str) -> list[str]:
    sql = f"SELECT * FROM {table} WHERE session_id = ?"  # noqa: S608 - a name from above
    cursor = connection.execute(sql, (session_id,))
    names = columns(connection, table)
    return [
        f"{table}.{column}"
        for row in cursor
        for column, value in zip(names, row, strict=True)
        if b"secret" in (value if isinstance(value, bytes) else str(value).encode())
    ]


async def test_deleting_again_changes_nothing(stage: Stage) -> None:
    await spoken(stage)
    first = await stage.store.delete("sess_1")
    stage.pass_(1)

    assert await stage.store.delete("sess_1") == first


async def test_what_still_runs_keeps_its_input_and_loses_it_when_it_has_ended(
    stage: Stage,
) -> None:
    session, _ = await stage.start()
    await stage.call_function(session, "exec_tool")
    await stage.end(session)
    await stage.store.delete("sess_1")
    executions = SqlExecutions(stage.database)
    running = await executions.get("exec_tool")
    assert running is not None
    assert running.input == b'{"a": "secret"}'
    assert await stage.store.expire(ended_before=0, limit=10) == 0
    assert await words(stage.database, "sess_1") == ["executions.input"]

    report = Report(attempt=1, status=Status.SUCCEEDED, result=b'"a secret"')
    await executions.change(
        "exec_tool",
        lambda e, _, now: reported(replace(e, attempt=1, worker_id="w"), report, now=now),
    )
    await stage.store.expire(ended_before=0, limit=10)

    assert await words(stage.database, "sess_1") == []
    finished = await executions.get("exec_tool")
    assert finished is not None
    assert finished.status is Status.SUCCEEDED


@pytest.mark.parametrize("late", ["a failed root", "a tool call", "an event"])
async def test_what_is_committed_after_the_deletion_does_not_stay(stage: Stage, late: str) -> None:
    session, _ = await stage.start()
    await stage.end(session, root=False)
    await stage.store.delete("sess_1")
    failure = Failure(reason=errors.ExecutionFailed.reason, message="a secret")
    changes: dict[str, Change] = {
        "a failed root": EndRoot(
            execution_id=session.root_execution_id, status=Status.FAILED, failure=failure
        ),
        "a tool call": PutToolCall(call=TOOL_CALL),
        "an event": Append(type="usage", data={"what": "a secret"}),
    }
    await stage.store.commit("sess_1", 0, [changes[late]])
    assert await words(stage.database, "sess_1") != ["executions.input"]

    await stage.store.expire(ended_before=0, limit=10)

    # The root's input stays while it runs.
    left = [] if late == "a failed root" else ["executions.input"]
    assert await words(stage.database, "sess_1") == left
    gone = await stage.store.get("sess_1")
    assert gone is not None
    assert gone.deleted_at == stage.clock[0]


async def test_what_a_worker_reports_too_late_does_not_stay(stage: Stage) -> None:
    session, _ = await stage.start()
    await stage.call_function(session, "exec_tool")
    stage.pass_(100)
    executions = SqlExecutions(stage.database)
    await executions.expire(10)
    await stage.end(session)
    await stage.store.delete("sess_1")
    failure = Failure(reason=errors.ExecutionFailed.reason, message="a secret")

    report = Report(attempt=1, status=Status.FAILED, result=b'"a secret"', failure=failure)
    await executions.change(
        "exec_tool", lambda e, _, now: reported(replace(e, attempt=1), report, now=now)
    )
    assert await words(stage.database, "sess_1") == [
        "executions.late_error",
        "executions.late_result",
    ]
    await stage.store.expire(ended_before=0, limit=10)

    assert await words(stage.database, "sess_1") == []
    late = await executions.get("exec_tool")
    assert late is not None
    assert late.late is not None
    assert (late.late.status, late.late.error) == (Status.FAILED, "")


async def test_sessions_expire_when_their_time_is_over(stage: Stage) -> None:
    for number in (1, 2, 3):
        session, _ = await stage.start(number, token=bytes([number]))
        if number < 3:
            stage.pass_(10)
            await stage.end(session)
    after_the_first = stage.clock[0] - 5 * SECOND

    first = await stage.store.get("sess_1")
    assert first is not None
    assert await stage.store.expire(ended_before=first.ended_at or 0, limit=10) == 0
    assert await stage.store.expire(ended_before=after_the_first, limit=10) == 1
    assert await stage.store.expire(ended_before=after_the_first, limit=10) == 0
    deleted = [(await stage.store.position(f"sess_{n}")) for n in (1, 2, 3)]
    assert [p and p.deleted for p in deleted] == [True, False, False]


async def test_no_more_expire_at_once_than_asked_for(stage: Stage) -> None:
    for number in (1, 2, 3):
        session, _ = await stage.start(number, token=bytes([number]))
        await stage.end(session)
    later = stage.clock[0] + 1

    counts = [await stage.store.expire(ended_before=later, limit=2) for _ in range(3)]

    assert counts == [2, 1, 0]


async def test_tokens_leave_when_they_are_void(stage: Stage) -> None:
    await stage.start(1, token=b"a")
    stage.pass_(1800)
    await stage.start(2, token=b"b")
    stage.pass_(1800)

    assert await stage.store.expire(ended_before=0, limit=10) == 1

    tokens = [await stage.store.token(hashlib.sha256(t).digest()) for t in (b"a", b"b")]
    assert [token and token.session_id for token in tokens] == [None, "sess_2"]
