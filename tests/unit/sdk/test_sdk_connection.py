from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from google.protobuf.message import Message
from unit.sdk.fake_plane import FakePlane

from agentfield.v1 import errors
from agentfield.v1 import execution_service_pb2 as pb
from agentfield.v1.server_service_pb2 import GetServerInfoRequest, GetServerInfoResponse
from agentfield_sdk.backoff import Backoff, Patience
from agentfield_sdk.connection import Connection
from agentfield_sdk.context import ExecutionContext, entered

pytestmark = pytest.mark.unit

DOWN = errors.ServerUnreachable("It is down.")
INFO = GetServerInfoRequest()


async def test_a_call_fails_as_the_class_of_its_reason(
    plane: FakePlane, connection: Connection
) -> None:
    plane.answers("Execute", errors.AgentLost("Gone.", metadata={"execution_id": "exec_1"}))

    with pytest.raises(errors.AgentLost, match="Gone") as lost:
        await connection.call(connection.executions.Execute, pb.ExecuteRequest(target="a.b"))

    assert lost.value.metadata == {"execution_id": "exec_1"}
    assert len(plane.heard) == 1


async def test_an_outage_is_sat_out_with_the_same_request_id(
    plane: FakePlane, connection: Connection
) -> None:
    plane.answers("Execute", DOWN, errors.StoreUnavailable("Full."), pb.ExecuteResponse())
    request = pb.ExecuteRequest(target="a.b")

    await connection.call(connection.executions.Execute, request)

    ids = [heard.request_id for heard in plane.requests("Execute")]
    assert len(ids) == 3
    assert len(set(ids)) == 1
    assert ids[0]
    assert not request.request_id, "sent again, the message means another execution"


async def test_a_request_id_of_the_callers_own_is_kept(
    plane: FakePlane, connection: Connection
) -> None:
    plane.answers("ExecuteAsync", pb.ExecuteAsyncResponse())

    await connection.call(
        connection.executions.ExecuteAsync, pb.ExecuteAsyncRequest(target="a.b", request_id="mine")
    )

    assert plane.requests("ExecuteAsync")[0].request_id == "mine"


async def test_an_outage_that_lasts_too_long_is_raised(
    plane: FakePlane, connection: Connection
) -> None:
    plane.answers("GetServerInfo", DOWN)

    with pytest.raises(errors.ServerUnreachable, match="It is down"):
        await connection.call(connection.server.GetServerInfo, INFO, retry_for=0.2)

    assert len(plane.heard) > 1


async def test_nobody_listening_is_server_unreachable() -> None:
    async with Connection("127.0.0.1:1") as connection:
        with pytest.raises(errors.ServerUnreachable):
            await connection.call(connection.server.GetServerInfo, INFO, retry_for=0.0)


async def test_a_timeout_bounds_all_attempts_together(
    plane: FakePlane, connection: Connection
) -> None:
    plane.answers("GetServerInfo", DOWN)

    async with asyncio.timeout(5.0):
        # On a busy machine the last attempt itself may run out of time.
        with pytest.raises((errors.ServerUnreachable, errors.DeadlineExceeded)):
            await connection.call(connection.server.GetServerInfo, INFO, timeout=0.1)


async def test_a_server_that_does_not_answer_in_time_is_deadline_exceeded(
    plane: FakePlane, connection: Connection
) -> None:
    async def never(_: Any) -> Message:
        await asyncio.Event().wait()
        return GetServerInfoResponse()

    plane.answers("GetServerInfo", never)

    with pytest.raises(errors.DeadlineExceeded):
        await connection.call(connection.server.GetServerInfo, INFO, timeout=0.05)


async def test_the_key_and_the_current_execution_go_with_every_call(plane: FakePlane) -> None:
    plane.answers("GetServerInfo", GetServerInfoResponse())
    context = ExecutionContext(
        execution_id="exec_9",
        run_id="run_9",
        function="f",
        session_id="sess_9",
        actor_id="ann",
        traceparent="00-1-2-01",
    )

    async with Connection(plane.address, api_key="secret") as connection:
        with entered(context):
            await connection.call(connection.server.GetServerInfo, INFO)
        await connection.call(connection.server.GetServerInfo, INFO)

    inside, outside = (heard.metadata for heard in plane.heard)
    assert {name: inside[name] for name in inside if not name.startswith("user-agent")} == {
        "authorization": "Bearer secret",
        "x-parent-execution-id": "exec_9",
        "x-execution-id": "exec_9",
        "x-run-id": "run_9",
        "x-session-id": "sess_9",
        "x-actor-id": "ann",
        "traceparent": "00-1-2-01",
    }
    assert set(outside) - {"user-agent"} == {"authorization"}


async def test_server_and_key_come_from_the_environment(
    plane: FakePlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane.answers("GetServerInfo", GetServerInfoResponse())
    monkeypatch.setenv("AGENTFIELD_GRPC", plane.address)
    monkeypatch.setenv("AGENTFIELD_API_KEY", "from-outside")

    async with Connection() as connection:
        await connection.call(connection.server.GetServerInfo, INFO)

    assert plane.heard[0].metadata["authorization"] == "Bearer from-outside"


async def test_a_stream_yields_and_then_fails_as_the_class_of_its_reason(
    plane: FakePlane, connection: Connection
) -> None:
    first = pb.WatchExecutionResponse()
    first.execution.execution_id = "exec_1"
    plane.answers("WatchExecution", [first, errors.ServerDraining("Going down.")])
    request = pb.WatchExecutionRequest(execution_id="exec_1")

    async with aclosing(connection.stream(connection.executions.WatchExecution, request)) as stream:
        response = await anext(stream)
        with pytest.raises(errors.ServerDraining, match="Going down"):
            await anext(stream)

    assert response.execution.execution_id == "exec_1"


def test_a_connection_that_is_not_open_says_so() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        _ = Connection("127.0.0.1:1").executions


def test_waits_double_up_to_a_limit_and_begin_again() -> None:
    backoff = Backoff(first=1.0, most=4.0)

    waits = [backoff.next() for _ in range(4)]
    backoff.reset()

    for wait, most in zip([*waits, backoff.next()], [1.0, 2.0, 4.0, 4.0, 1.0], strict=True):
        assert most / 2 <= wait <= most


async def test_patience_waits_as_long_as_the_server_asked_or_gives_up() -> None:
    with pytest.raises(errors.StoreUnavailable):
        await Patience(1.0).wait(errors.StoreUnavailable("Full.", retry_after=2.0))


async def test_patience_that_is_renewed_begins_again() -> None:
    patience = Patience(0.0)
    with pytest.raises(errors.ServerUnreachable):
        await patience.wait(DOWN)
    patience.renew()

    with pytest.raises(errors.InvalidArgument):
        await patience.wait(errors.InvalidArgument("It will not pass."))


@pytest.mark.parametrize("address", ["localhost", "http://localhost:8180", "a:b", ":1", "a b:1"])
def test_an_address_is_host_and_port(address: str) -> None:
    with pytest.raises(errors.InvalidArgument, match="HOST:PORT"):
        Connection(address)
