"""Event streams, and callers that leave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import ClientError, ClientResponse
from unit.gateway.scripted_transport import Gateway

from agentfield.v1 import errors, execution_pb2
from agentfield.v1.execution_service_pb2 import WatchExecutionResponse
from agentfield_gateway import GatewayConfig, serve

pytestmark = pytest.mark.unit

Start = Callable[..., Awaitable[Gateway]]
EXECUTE = "/api/v1/execute/writer.draft"
EVENTS = "/api/v1/executions/exec_1/events"


def change(result: bytes = b"") -> WatchExecutionResponse:
    return WatchExecutionResponse(
        execution=execution_pb2.Execution(execution_id="exec_1", result=result)
    )


async def line(answer: ClientResponse) -> bytes:
    async with asyncio.timeout(10):
        return await answer.content.readline()


async def test_every_message_is_an_event_and_the_stream_ends_with_the_rpc(gateway: Gateway) -> None:
    for message in (change(), change(b'{"n":9007199254740993,"x":1.0}'), None):
        gateway.plane.messages.put_nowait(message)

    answer = await gateway.get(EVENTS)

    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Accel-Buffering"] == "no"
    first, second, rest = (await answer.read()).split(b"\n\n")
    assert json.loads(first.removeprefix(b"data: "))["execution_id"] == "exec_1"
    assert b'"result":{"n":9007199254740993,"x":1.0}' in second
    assert rest == b""


async def test_json_with_line_breaks_stays_one_event(gateway: Gateway) -> None:
    for message in (change(b'{"a":\n1,\r\n"b":\r"\xe2\x80\xa8"}'), None):
        gateway.plane.messages.put_nowait(message)

    text = await (await gateway.get(EVENTS)).read()

    lines = text.removesuffix(b"\n\n").split(b"\n")
    assert all(one.startswith(b"data: ") and b"\r" not in one for one in lines)
    found = json.loads(b"\n".join(one.removeprefix(b"data: ") for one in lines))
    assert found["result"] == {"a": 1, "b": "\u2028"}


async def test_an_event_is_sent_while_the_stream_goes_on(gateway: Gateway) -> None:
    gateway.plane.messages.put_nowait(change())

    answer = await gateway.open("GET", EVENTS)

    assert (await line(answer)).startswith(b"data: {")
    assert not gateway.plane.given_up.is_set()
    answer.close()


async def test_a_failure_before_the_first_message_is_an_ordinary_error(gateway: Gateway) -> None:
    gateway.plane.messages.put_nowait(errors.ExecutionNotFound("No such execution."))

    answer = await gateway.get(EVENTS)

    assert (answer.status, (await answer.json())["reason"]) == (404, "EXECUTION_NOT_FOUND")


@pytest.mark.parametrize(
    ("failure", "reason"),
    [(errors.ServerUnreachable("Gone."), "SERVER_UNREACHABLE"), (KeyError("oh"), "INTERNAL")],
)
async def test_a_later_failure_is_the_last_event(
    gateway: Gateway, failure: Exception, reason: str
) -> None:
    gateway.plane.messages.put_nowait(change())
    gateway.plane.messages.put_nowait(failure)

    answer = await gateway.get(EVENTS)

    last = (await answer.read()).split(b"\n\n")[1]
    assert last.startswith(b"event: error\ndata: ")
    assert json.loads(last.partition(b"data: ")[2])["reason"] == reason


async def test_a_silent_stream_is_kept_alive(gateway_with: Start) -> None:
    gateway = await gateway_with(keep_alive_seconds=0.01)
    gateway.plane.messages.put_nowait(change())

    answer = await gateway.open("GET", EVENTS)

    assert [await line(answer) for _ in range(6)][2:] == [b": keep-alive\n", b"\n"] * 2
    answer.close()


async def test_the_upstream_ends_when_the_reader_leaves(gateway: Gateway) -> None:
    gateway.plane.messages.put_nowait(change())
    answer = await gateway.open("GET", EVENTS)
    await line(answer)

    answer.close()

    async with asyncio.timeout(10):
        await gateway.plane.given_up.wait()


async def test_a_call_is_given_up_when_its_caller_leaves(gateway: Gateway) -> None:
    gateway.plane.release = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        call = tasks.create_task(gateway.post(EXECUTE))
        await gateway.plane.waiting.wait()

        call.cancel()

        async with asyncio.timeout(10):
            await gateway.plane.given_up.wait()


async def test_a_gateway_that_stops_ends_streams_and_finishes_calls(gateway: Gateway) -> None:
    plane, session = gateway.plane, gateway.client.session
    plane.release = asyncio.Event()
    plane.messages.put_nowait(change())
    stop = asyncio.Event()

    async with asyncio.TaskGroup() as tasks:
        addresses: asyncio.Queue[str] = asyncio.Queue(1)

        async def serving() -> None:
            config = GatewayConfig(http_bind="127.0.0.1:0")
            async with serve(plane, config) as address:
                await addresses.put(address)
                await stop.wait()

        server = tasks.create_task(serving())
        base = f"http://{await addresses.get()}"
        events = await session.get(base + EVENTS)
        await line(events)
        plane.waiting.clear()
        call = tasks.create_task(session.post(f"{base}{EXECUTE}"))
        await plane.waiting.wait()

        stop.set()

        assert b"SERVER_DRAINING" in (await events.read())
        assert not server.done()
        plane.release.set()
        async with await call as answer:
            assert answer.status == 200


async def test_a_call_that_does_not_finish_is_given_up_in_the_end(gateway: Gateway) -> None:
    plane = gateway.plane
    plane.release = asyncio.Event()
    config = GatewayConfig(http_bind="127.0.0.1:0", drain_seconds=0.1)

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks, serve(plane, config) as address:
        tasks.create_task(cut_off(gateway.client.session.post(f"http://{address}{EXECUTE}")))
        await plane.waiting.wait()

    assert plane.given_up.is_set()


async def cut_off(call: Awaitable[ClientResponse]) -> None:
    with pytest.raises(ClientError):
        await call
