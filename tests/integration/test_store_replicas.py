"""Leases on disk and what they cover; commands on their way between replicas."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from support.plans import is_scan, plan
from support.stage import DECLARED, Stage, register, staged
from support.storage import Storage

from agentfield.executions.work import Offer
from agentfield.identity import ANYONE
from agentfield.nodes.model import Registration
from agentfield.sessions.model import CallState, HandlerState, ProviderCall, Session
from agentfield.sessions.ports import Append, PutCall
from agentfield.sessions.sharing import CommandRow, Following, FollowRole, Unowned
from agentfield.store.commands import SqlCommands
from agentfield.store.executions import SqlExecutions
from agentfield.store.nodes import SqlNodes
from agentfield.store.replicas import TO_TAKE, SqlReplicas
from agentfield.store.work import SqlWork
from agentfield.v1 import errors

pytestmark = pytest.mark.integration

HANDLER = Following(session_id="sess_1", role=FollowRole.HANDLER, attempt=1)
CLIENT = Following(session_id="sess_1", role=FollowRole.CLIENT)


@pytest.fixture(name="stage")
async def _stage(storage: Storage) -> AsyncIterator[Stage]:
    async with staged(storage) as stage:
        await replicas(stage).join("repl_2", lease=10, alone=False)
        yield stage


def replicas(stage: Stage) -> SqlReplicas:
    return SqlReplicas(stage.database)


async def start(
    stage: Stage,
    number: int = 1,
    *,
    owner: str = "repl_1",
    handler: HandlerState = HandlerState.NONE,
) -> Session:
    return (await stage.start(number, token=bytes([number]), owner=owner, handler=handler))[0]


async def rows(stage: Stage, sql: str) -> list[tuple[Any, ...]]:
    found = await stage.database.read(lambda c: c.execute(sql).fetchall())
    return [tuple(row) for row in found]


async def taken(stage: Stage, replica_id: str, limit: int = 10) -> list[tuple[str, int]]:
    found = await replicas(stage).take(replica_id, limit=limit)
    assert {session.owner for session in found} <= {replica_id}
    return [(session.session_id, session.owner_epoch) for session in found]


# --- leases ---


async def test_a_lease_lasts_for_as_long_as_it_is_renewed(stage: Stage) -> None:
    store = replicas(stage)
    stage.pass_(9)
    assert await store.renew("repl_2", lease=10)
    stage.pass_(9.9)
    assert await store.renew("repl_2", lease=10)
    stage.pass_(10)
    assert not await store.renew("repl_2", lease=10)
    stage.pass_(-5)
    assert await store.renew("repl_2", lease=10)
    await store.leave("repl_2")
    assert not await store.renew("repl_2", lease=10)
    assert not await store.renew("repl_9", lease=10)


async def test_who_has_the_database_alone_takes_over_at_once_and_for_good(stage: Stage) -> None:
    await start(stage)
    await replicas(stage).join("repl_3", lease=10, alone=True)
    assert await taken(stage, "repl_3") == [("sess_1", 1)]
    stage.pass_(1e9)
    assert await replicas(stage).renew("repl_3", lease=10)


async def test_old_leases_are_forgotten_and_what_followed_under_them(stage: Stage) -> None:
    await start(stage)
    await replicas(stage).follow("repl_2", begun=[CLIENT], over=[])
    stage.pass_(4000)
    await replicas(stage).forget()
    assert await rows(stage, "SELECT replica_id FROM replicas") == [("repl_1",)]
    assert await rows(stage, "SELECT replica_id FROM session_streams") == []


# --- sessions ---


async def test_who_has_no_lease_takes_nothing(stage: Stage) -> None:
    await start(stage)
    await replicas(stage).leave("repl_1")
    stage.pass_(10)
    assert await taken(stage, "repl_2") == []
    assert await taken(stage, "repl_9") == []


async def test_sessions_are_taken_from_an_owner_that_is_gone_and_from_no_other(
    stage: Stage,
) -> None:
    session = await start(stage)
    assert await taken(stage, "repl_2") == []

    await replicas(stage).leave("repl_1")
    assert await taken(stage, "repl_2") == [("sess_1", 1)]
    assert await taken(stage, "repl_2") == []
    with pytest.raises(Unowned):
        await stage.store.commit("sess_1", session.owner_epoch, [Append(type="x", data={})])
    await stage.store.commit("sess_1", 1, [Append(type="x", data={})])

    stage.pass_(10)
    await replicas(stage).join("repl_3", lease=10, alone=False)
    assert await taken(stage, "repl_3") == [("sess_1", 2)]


async def test_what_is_over_is_taken_while_its_root_or_a_call_is_not(stage: Stage) -> None:
    sessions = [await start(stage, number) for number in (1, 2, 3)]
    call = ProviderCall(
        provider_call_id="call_3",
        session_id="sess_3",
        generation=1,
        provider="openai",
        transport="webrtc",
        state=CallState.ENDING,
        created_at=1,
    )
    await stage.store.commit("sess_3", 0, [PutCall(call=call)])
    await stage.end(sessions[0])
    await stage.end(sessions[1], root=False)
    await stage.end(sessions[2])
    await replicas(stage).leave("repl_1")

    assert await taken(stage, "repl_2") == [("sess_2", 1), ("sess_3", 1)]
    assert await stage.store.calls_in(CallState.ENDING, owner="repl_2") == [call]


async def test_they_are_taken_a_few_at_a_time_the_oldest_first(stage: Stage) -> None:
    for number in (1, 2, 3):
        await start(stage, number)
    await replicas(stage).leave("repl_1")

    assert await taken(stage, "repl_2", 2) == [("sess_1", 1), ("sess_2", 1)]
    assert await taken(stage, "repl_2", 2) == [("sess_3", 1)]


async def test_of_replicas_that_look_at_the_same_time_one_takes_a_session(
    storage: Storage,
) -> None:
    async with staged(storage) as stage:
        for number in range(1, 31):
            await start(stage, number)
        await replicas(stage).join("repl_2", lease=10, alone=False)
        await replicas(stage).join("repl_3", lease=10, alone=False)
        await replicas(stage).leave("repl_1")
        async with asyncio.TaskGroup() as tasks:
            looks = [
                tasks.create_task(taken(stage, f"repl_{2 + number % 2}", 20)) for number in range(6)
            ]
        found = sorted(one for look in looks for one in look.result())
        assert found == sorted((f"sess_{number}", 1) for number in range(1, 31))


async def test_what_was_given_to_a_replica_is_its_own_until_that_is_gone(stage: Stage) -> None:
    await start(stage, owner="repl_2")
    assert await taken(stage, "repl_1") == []
    assert await taken(stage, "repl_2") == [("sess_1", 1)]
    assert await taken(stage, "repl_2") == []

    await start(stage, 2, owner="repl_2")
    await replicas(stage).leave("repl_2")
    assert await taken(stage, "repl_1") == [("sess_1", 2), ("sess_2", 1)]


async def test_without_a_lease_no_session_is_started(stage: Stage) -> None:
    await replicas(stage).leave("repl_1")
    with pytest.raises(errors.StoreUnavailable, match="lost its lease"):
        await start(stage)
    assert await stage.store.get("sess_1") is None


async def test_sessions_whose_root_was_cancelled_are_told_to_their_owner(stage: Stage) -> None:
    session = await start(stage)
    await start(stage, 2)
    assert await replicas(stage).cancelled("repl_1") == []
    await SqlExecutions(stage.database).cancel_tree(session.root_execution_id, "enough")
    assert await replicas(stage).cancelled("repl_2") == []
    assert await replicas(stage).cancelled("repl_1") == ["sess_1"]
    await stage.end(session)
    assert await replicas(stage).cancelled("repl_1") == []


async def test_looking_for_sessions_reads_no_more_than_those_that_go_on(stage: Stage) -> None:
    values = (1, "repl_1", 1, "repl_1", 1, "repl_1", 10)
    steps = await plan(stage.database, TO_TAKE, values)
    assert [table for table in ("executions", "provider_calls") if is_scan(steps, table)] == []


# --- workers ---


async def worker(
    stage: Stage, instance_id: str, replica_id: str, *, sessions: int = 1, names: str = "support"
) -> str:
    registration = Registration(
        node_id="n",
        instance_id=instance_id,
        version="",
        description="",
        functions=(),
        sessions=(replace(DECLARED, name=names),),
    )
    worker_id = await SqlNodes(stage.database).register(registration, ANYONE)
    await SqlWork(stage.database).connect(
        worker_id,
        f"conn_{instance_id}",
        max_executions=1,
        max_sessions=sessions,
        running=[],
        caller=ANYONE,
        replica_id=replica_id,
    )
    return worker_id


async def test_workers_of_a_replica_that_is_gone_are_disconnected(stage: Stage) -> None:
    await worker(stage, "w1", "repl_1")
    await worker(stage, "w2", "repl_2")
    stage.pass_(11)
    await SqlWork(stage.database).see_off_gone()
    sql = (
        "SELECT instance_id, connected, disconnected_at FROM workers"
        " WHERE instance_id IN ('w1', 'w2') ORDER BY instance_id"
    )
    assert await rows(stage, sql) == [("w1", 1, None), ("w2", 0, stage.clock[0])]


async def test_a_connection_that_was_replaced_claims_nothing(stage: Stage) -> None:
    work = SqlWork(stage.database)
    worker_id = await register(stage.database, DECLARED)
    for connection_id, replica_id in (("conn_1", "repl_1"), ("conn_2", "repl_2")):
        await work.connect(
            worker_id,
            connection_id,
            max_executions=5,
            running=[],
            caller=ANYONE,
            replica_id=replica_id,
        )
    await stage.call_function(await start(stage), "exec_1")
    newer = Offer(
        worker_id=worker_id, node_id="n", instance_id="w", credit=5, connection_id="conn_2"
    )
    assert await work.claim([replace(newer, connection_id="conn_1")]) == []
    assert [one.execution_id for one in await work.claim([newer])] == ["exec_1"]


async def test_the_replica_with_the_most_room_comes_first(stage: Stage) -> None:
    await worker(stage, "w3", "repl_2", sessions=9, names="sales")
    await worker(stage, "w1", "repl_1", sessions=3)
    await worker(stage, "w2", "repl_2", sessions=2)
    assert await replicas(stage).able("n", "support") == ["repl_1", "repl_2"]
    assert await replicas(stage).able("n", "sales") == ["repl_2"]
    for number in (1, 2):
        await start(stage, number, handler=HandlerState.RUNNING)
    assert await replicas(stage).able("n", "support") == ["repl_2", "repl_1"]
    await start(stage, 3, handler=HandlerState.RUNNING)
    assert await replicas(stage).able("n", "support") == ["repl_2"]
    stage.pass_(11)
    assert await replicas(stage).able("n", "support") == []


# --- who follows ---


async def test_an_owner_is_told_what_other_replicas_follow(stage: Stage) -> None:
    store = replicas(stage)
    await start(stage)
    await store.follow("repl_1", begun=[CLIENT], over=[])
    await store.follow("repl_2", begun=[HANDLER, CLIENT], over=[])
    await store.follow("repl_2", begun=[CLIENT], over=[HANDLER])
    assert await store.followed("repl_1") == {CLIENT}
    assert await store.followed("repl_2") == frozenset()

    await store.follow("repl_2", begun=[HANDLER], over=[])
    assert await store.followed("repl_1") == {CLIENT, HANDLER}
    stage.pass_(10)
    assert await store.followed("repl_1") == frozenset()


# --- commands ---


def row(number: int, **given: str) -> CommandRow:
    return CommandRow(
        command_id=f"cmd_{number}", session_id="sess_1", kind="Say", payload=b"{}", **given
    )


async def waiting(stage: Stage, replica_id: str) -> list[str]:
    rows = await SqlCommands(stage.database).waiting(replica_id, limit=10)
    return [one.command_id for one in rows]


async def test_a_command_waits_for_whoever_owns_the_session(stage: Stage) -> None:
    commands = SqlCommands(stage.database)
    await start(stage)
    for number in (1, 2):
        await commands.put(row(number), lasts=60)
        stage.pass_(0.001)
    assert await commands.waiting("repl_1", limit=10) == [row(1), row(2)]
    assert await waiting(stage, "repl_2") == []

    await replicas(stage).leave("repl_1")
    await taken(stage, "repl_2")
    assert (await waiting(stage, "repl_1"), await waiting(stage, "repl_2")) == (
        [],
        ["cmd_1", "cmd_2"],
    )
    await commands.answer("cmd_1", b"first")
    await commands.answer("cmd_1", b"second")
    assert await waiting(stage, "repl_2") == ["cmd_2"]
    verdict = await commands.verdict("cmd_1")
    assert verdict is not None
    assert (verdict.result, verdict.is_over, verdict.is_reachable) == (b"first", False, True)


async def test_a_command_for_a_certain_replica_waits_for_it_alone(stage: Stage) -> None:
    commands = SqlCommands(stage.database)
    session = await start(stage)
    await commands.put(row(1, replica_id="repl_2"), lasts=60)
    assert await waiting(stage, "repl_1") == []
    assert await commands.waiting("repl_2", limit=10) == [row(1, replica_id="repl_2")]

    await stage.end(session)
    stage.pass_(10)
    verdict = await commands.verdict("cmd_1")
    assert verdict is not None
    assert (verdict.result, verdict.is_over, verdict.is_reachable) == (None, True, False)


async def test_commands_are_done_no_more_when_nobody_waits_and_then_forgotten(
    stage: Stage,
) -> None:
    commands = SqlCommands(stage.database)
    await start(stage)
    await commands.put(row(1), lasts=10)
    await commands.put(row(2), lasts=3600)
    await commands.answer("cmd_2", b"done")
    stage.pass_(10)
    assert await waiting(stage, "repl_1") == []
    await commands.forget()
    assert await commands.verdict("cmd_1") is None
    assert await commands.verdict("cmd_2") is not None
    stage.pass_(60)
    await commands.forget()
    assert await commands.verdict("cmd_2") is None
