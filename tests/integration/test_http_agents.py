"""Agents that are HTTP servers, and all they may answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import ClientSession, web
from support.http_agents import (
    MOST,
    Agent,
    listening,
    reason_of,
    register,
    report,
)
from support.plane import CANCELLED, FAILED, RUNNING, SUCCEEDED, Plane, config_for, running_plane
from support.storage import Storage

from agentfield.dispatch import calls
from agentfield.v1 import errors, execution_pb2

pytestmark = pytest.mark.integration


@pytest.fixture
async def plane(storage: Storage) -> AsyncIterator[Plane]:
    config = config_for(storage, grace=0.3, max_payload_bytes=MOST)
    async with running_plane(config) as running:
        yield running


async def failed(plane: Plane, agent: Agent, target: str = "n.think") -> execution_pb2.Execution:
    await register(plane, agent.url)
    return await plane.until(await plane.submit(target), FAILED)


async def test_it_is_sent_the_input_itself_and_where_it_belongs(plane: Plane, agent: Agent) -> None:
    exact = b'{"n": 9007199254740993, "x":1.0}'
    agent.answers(body=b"[1,  2.0, 9007199254740993]")
    await register(plane, agent.url)

    done = await plane.until(await plane.submit("n.count", exact), SUCCEEDED)

    assert done.result == b"[1,  2.0, 9007199254740993]"
    (asked,) = agent.asked
    assert (asked.method, asked.path, agent.bodies) == ("POST", "/skills/count", [exact])
    assert asked.headers["X-Execution-ID"] == done.execution_id
    assert asked.headers["X-Run-ID"] == asked.headers["X-Workflow-ID"] == done.run_id
    assert "X-Session-ID" not in asked.headers


async def test_what_is_accepted_ends_with_its_report_and_keeps_what_it_used(
    plane: Plane, agent: Agent
) -> None:
    agent.answers(202, b'{"status":"processing"}')
    await register(plane, agent.url)
    execution_id = await plane.submit("n.think")
    running = await plane.until(execution_id, RUNNING)
    assert running.attempt == 1

    await report(plane, execution_id, status=SUCCEEDED, result=b"7", usage=b'{"tokens":3}')

    done = await plane.get(execution_id)
    assert (done.status, done.result, done.usage) == (SUCCEEDED, b"7", b'{"tokens":3}')


async def test_a_failure_may_have_a_result_and_a_status(plane: Plane, agent: Agent) -> None:
    agent.answers(202)
    await register(plane, agent.url)
    execution_id = await plane.submit("n.think")
    await plane.until(execution_id, RUNNING)

    await report(
        plane, execution_id, status=FAILED, result=b"[1]", error="no", error_status_code=418
    )
    with pytest.raises(errors.InvalidArgument, match="between 400 and 599"):
        await report(plane, execution_id, status=FAILED, error_status_code=200)

    done = await plane.get(execution_id)
    assert (done.status, done.result, done.error_status_code) == (FAILED, b"[1]", 418)


async def test_a_report_that_is_too_large_is_a_failure(plane: Plane, agent: Agent) -> None:
    agent.answers(202)
    await register(plane, agent.url)
    execution_id = await plane.submit("n.think")
    await plane.until(execution_id, RUNNING)

    await report(plane, execution_id, status=SUCCEEDED, result=b"1" * (MOST + 1))

    done = await plane.get(execution_id)
    assert (reason_of(done), done.status) == ("PAYLOAD_TOO_LARGE", FAILED)


async def test_a_report_that_is_too_large_for_rest_is_a_failure(
    storage: Storage, agent: Agent
) -> None:
    agent.answers(202)
    config = replace(config_for(storage, max_payload_bytes=MOST), http_bind="127.0.0.1:0")
    async with running_plane(config) as plane, ClientSession() as http:
        await register(plane, agent.url)
        execution_id = await plane.submit("n.think")
        await plane.until(execution_id, RUNNING)
        url = f"http://{plane.http_address}/api/v1/executions/{execution_id}/status"

        async with http.post(url, json={"status": "ok", "result": "1" * 2 * MOST}) as answer:
            assert answer.status == 413

        assert reason_of(await plane.get(execution_id)) == "PAYLOAD_TOO_LARGE"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((302, b""), ("EXECUTION_FAILED", "redirects are not followed")),
        ((400, b'{"detail":"no"}'), ("EXECUTION_FAILED", 'agent error (400): {"detail":"no"}')),
        ((422, b'{"detail":"no"}'), ("INVALID_INPUT", "agent error (422)")),
        ((500, b"<html>\xff"), ("EXECUTION_FAILED", "agent error (500): <html>")),
        ((200, b"{not json"), ("EXECUTION_FAILED", "with what is not JSON")),
        ((200, b"1" * (MOST + 1)), ("PAYLOAD_TOO_LARGE", "larger than the 100000 bytes")),
    ],
)
async def test_other_answers_are_failures(
    plane: Plane, agent: Agent, answer: tuple[int, bytes], told: tuple[str, str]
) -> None:
    (status, body), (reason, message) = answer, told
    agent.answers(status, body, Location=f"{agent.url}/elsewhere")

    done = await failed(plane, agent)

    assert (reason_of(done), message in done.error) == (reason, True)
    assert len(agent.asked) == 1, "nothing is sent twice"
    assert done.error_details == (body if body == b'{"detail":"no"}' else b"")
    assert done.error_status_code == (status if status >= 400 else 0)


async def test_an_encoded_answer_is_not_unpacked(plane: Plane, agent: Agent) -> None:
    agent.answers(200, b"\x1f\x8b" + b"0" * 100, **{"Content-Encoding": "gzip"})

    assert "may or may not have taken effect" in (await failed(plane, agent)).error


async def test_garbage_in_place_of_http_is_a_lost_agent(plane: Plane) -> None:
    heard = asyncio.Event()

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        heard.set()
        writer.write(b"\x00\x01\x02 what?\r\n\r\n" * 10)
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with server:
        await register(plane, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        done = await plane.until(await plane.submit("n.think"), FAILED)

    assert heard.is_set()
    assert reason_of(done) == "AGENT_LOST"


async def test_a_connection_that_breaks_gives_the_agent_a_moment_to_report(
    plane: Plane, agent: Agent
) -> None:
    async def breaks(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    agent.answer = breaks
    await register(plane, agent.url)
    execution_id = await plane.submit("n.think")
    while not agent.asked:
        await asyncio.sleep(0.01)
    await report(plane, execution_id, status=SUCCEEDED, result=b"7")

    assert (await plane.until(execution_id, SUCCEEDED)).result == b"7"
    assert len(agent.asked) == 1


async def test_an_agent_that_is_not_there_yet_is_tried_again(plane: Plane) -> None:
    async with listening(Agent()) as gone:
        url = gone.url
    await register(plane, url)
    execution_id = await plane.submit("n.think")

    async with listening(Agent(), int(url.rpartition(":")[2])) as there:
        done = await plane.until(execution_id, SUCCEEDED)

    assert (done.attempt, len(there.asked)) == (1, 1)


async def test_an_agent_that_stays_away_is_given_up(
    plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "RESTART_SECONDS", 0.3)
    async with listening(Agent()) as gone:
        url = gone.url
    await register(plane, url)

    done = await plane.until(await plane.submit("n.think"), FAILED)

    assert "could not be reached" in done.error
    assert "nothing was sent" in done.error


async def test_work_goes_on_with_the_next_process_at_another_address(
    plane: Plane, agent: Agent
) -> None:
    agent.answers(202)
    async with listening(Agent()) as gone:
        await register(plane, gone.url, "one")
    execution_id = await plane.submit("n.think")
    await register(plane, agent.url, "two")

    found = await plane.until(execution_id, RUNNING)

    assert (found.instance_id, len(agent.asked)) == ("two", 1)


async def test_no_more_is_sent_at_once_than_a_worker_takes_and_nested_calls_go_first(
    plane: Plane, agent: Agent
) -> None:
    agent.answers(202)
    await register(plane, agent.url, max_executions=1)
    parent = await plane.submit("n.think")
    await plane.until(parent, RUNNING)
    waiting = await plane.submit("n.think")
    nested = await plane.submit("n.again", parent=parent)

    # What waits for a call of its own lends its place to that call.
    await plane.until(nested, RUNNING)
    await report(plane, nested, status=SUCCEEDED)
    assert (await plane.get(waiting)).status == execution_pb2.EXECUTION_STATUS_QUEUED
    await report(plane, parent, status=SUCCEEDED)
    await plane.until(waiting, RUNNING)


async def test_cancelling_tells_the_agent_and_a_late_report_decides_nothing(
    plane: Plane, agent: Agent
) -> None:
    agent.answers(202)
    await register(plane, agent.url)
    execution_id = await plane.submit("n.think")
    await plane.until(execution_id, RUNNING)

    assert await plane.cancel(execution_id) == 1
    while not agent.cancelled:
        await asyncio.sleep(0.01)
    await report(plane, execution_id, status=SUCCEEDED, result=b"7")
    await report(plane, execution_id, status=CANCELLED, error="cancelled_by_control_plane")

    done = await plane.get(execution_id)
    assert (done.status, done.late_report.result, agent.cancelled) == (
        CANCELLED,
        b"7",
        [execution_id],
    )


async def test_an_agent_that_stops_something_stops_what_that_called(
    plane: Plane, agent: Agent
) -> None:
    agent.answers(202)
    await register(plane, agent.url)
    parent = await plane.submit("n.think")
    await plane.until(parent, RUNNING)
    nested = await plane.submit("n.again", parent=parent)
    await plane.until(nested, RUNNING)

    await report(plane, parent, status=CANCELLED, error="cancelled during graceful shutdown")

    assert (await plane.until(nested, CANCELLED)).parent_execution_id == parent
    assert (await plane.get(parent)).error == "cancelled during graceful shutdown"
