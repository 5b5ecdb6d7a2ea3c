"""Sessions on disk: their start, their log, what their owner changes, and how their words leave."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from support.calls import TOOL_CALL, call, tool_calls
from support.stage import DECLARED, SECOND, TOOL, Stage

from agentfield.executions.model import Failure, Kind, Status
from agentfield.sessions.model import (
    CallState,
    EndReason,
    Event,
    HandlerState,
    State,
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
    Start,
)
from agentfield.sessions.sharing import Unowned
from agentfield.v1 import errors

pytestmark = pytest.mark.integration


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
