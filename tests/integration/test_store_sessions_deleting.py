"""How the words of sessions leave the store."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from support.calls import TOOL_CALL, call, tool_calls
from support.rows import columns
from support.stage import SECOND, Stage

from agentfield.executions.model import Failure, Report, Status, reported
from agentfield.sessions.declaration import Declaration
from agentfield.sessions.model import (
    Session,
)
from agentfield.sessions.ports import (
    Append,
    Change,
    EndRoot,
    Position,
    PutCall,
    PutSession,
    PutToolCall,
)
from agentfield.store.database import Connection, Database
from agentfield.store.executions import SqlExecutions
from agentfield.v1 import errors

pytestmark = pytest.mark.integration


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
