"""Agents that are HTTP servers, and all they may answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession, web
from support.plane import CANCELLED, FAILED, RUNNING, SUCCEEDED, Plane, config_for, running_plane
from support.replicas import site
from support.storage import Storage

from agentfield.dispatch import calls
from agentfield.executions import journal
from agentfield.store.calls import SqlCalls
from agentfield.v1 import errors, execution_pb2, journal_service_pb2, node_service_pb2
from agentfield.v1 import execution_service_pb2 as es
from agentfield.v1.error_reason_pb2 import ErrorReason

pytestmark = pytest.mark.integration

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
NAMES = ("think", "again")
MOST = 100_000


class Agent:
    """An HTTP server that answers what a test tells it, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answer: Answer = _nothing
        self.asked: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.cancelled: list[str] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/_internal/"):
            self.cancelled.append(request.path.split("/")[3])
            return web.json_response({"cancelled": True})
        self.asked.append(request)
        self.bodies.append(await request.read())
        return await self.answer(request)

    def answers(self, status: int = 200, body: bytes = b"null", **headers: str) -> None:
        """Answer everything like this."""

        async def answer(_: web.Request) -> web.StreamResponse:
            plain = {"Content-Type": "application/json"} | headers
            return web.Response(status=status, body=body, headers=plain)

        self.answer = answer


async def _nothing(_: web.Request) -> web.StreamResponse:
    return web.json_response(None)


@asynccontextmanager
async def listening(agent: Agent, port: int = 0) -> AsyncIterator[Agent]:
    app = web.Application(client_max_size=10 * MOST)
    app.router.add_route("*", "/{path:.*}", agent.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    agent.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield agent
    finally:
        await runner.cleanup()


@pytest.fixture
async def agent() -> AsyncIterator[Agent]:
    async with listening(Agent()) as started:
        yield started


@pytest.fixture
async def plane(storage: Storage) -> AsyncIterator[Plane]:
    config = config_for(storage, grace=0.3, max_payload_bytes=MOST)
    async with running_plane(config) as running:
        yield running


async def register(plane: Plane, url: str, instance_id: str = "one", **facts: Any) -> Any:
    request = node_service_pb2.RegisterNodeRequest(
        node_id="n", instance_id=instance_id, base_url=url, **facts
    )
    for name in NAMES:
        request.functions.add(name=name, kind=execution_pb2.FUNCTION_KIND_REASONER)
    request.functions.add(name="count", kind=execution_pb2.FUNCTION_KIND_SKILL)
    return await plane.call(plane.nodes.RegisterNode, request)


async def failed(plane: Plane, agent: Agent, target: str = "n.think") -> execution_pb2.Execution:
    await register(plane, agent.url)
    return await plane.until(await plane.submit(target), FAILED)


def reason_of(execution: execution_pb2.Execution) -> str:
    """Return the reason of a failure as it is spelled on the wire."""
    return ErrorReason.Name(execution.error_reason).removeprefix("ERROR_REASON_")


async def report(plane: Plane, execution_id: str, **facts: Any) -> Any:
    request = es.ReportExecutionRequest(execution_id=execution_id, **facts)
    return await plane.call(plane.executions.ReportExecution, request)


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


async def test_a_call_inside_an_agent_needs_a_parent_that_runs_there(
    plane: Plane, agent: Agent
) -> None:
    agent.answers(202)
    await register(plane, agent.url)
    parent = await plane.submit("n.think")
    await plane.until(parent, RUNNING)

    async def record(execution_id: str, **facts: Any) -> Any:
        asked = {"node_id": "n", "function": "again", "parent_execution_id": parent} | facts
        request = journal_service_pb2.RecordExecutionRequest(execution_id=execution_id, **asked)
        return await plane.call(plane.journal.RecordExecution, request)

    await record("inner", status=RUNNING, input=b'{"a":1}')
    await record("inner", status=SUCCEEDED, result=b"[7]")
    await record("inner", status=RUNNING)
    await record("inner", status=FAILED, error="too late")
    inner = await plane.get("inner")
    assert (inner.status, inner.result, inner.local, inner.depth) == (SUCCEEDED, b"[7]", True, 1)
    assert inner.run_id == (await plane.get(parent)).run_id

    with pytest.raises(errors.InvalidArgument, match="does not run on node 'm'"):
        await record("other", node_id="m", status=RUNNING)
    with pytest.raises(errors.ExecutionNotFound):
        await record("other", parent_execution_id="none", status=RUNNING)
    # What fails in its events alone has not failed: the report says more of it.
    await record(parent, status=FAILED, error="of the events")
    assert (await plane.get(parent)).status == RUNNING


async def test_calls_inside_an_agent_take_no_place_of_those_that_are_sent_to_it(
    plane: Plane, agent: Agent
) -> None:
    agent.answers(202)
    await register(plane, agent.url, max_executions=2)
    parent = await plane.submit("n.think")
    await plane.until(parent, RUNNING)
    for inner in ("inner-1", "inner-2"):  # of which the agent never tells the end
        request = journal_service_pb2.RecordExecutionRequest(
            execution_id=inner,
            node_id="n",
            function="again",
            parent_execution_id=parent,
            status=RUNNING,
        )
        await plane.call(plane.journal.RecordExecution, request)
    await report(plane, parent, status=SUCCEEDED)

    await plane.until(await plane.submit("n.think"), RUNNING)


async def test_what_a_gone_process_ran_inside_is_lost_with_it(plane: Plane, agent: Agent) -> None:
    agent.answers(202)
    await register(plane, agent.url, "one")
    parent = await plane.submit("n.think")
    await plane.until(parent, RUNNING)
    request = journal_service_pb2.RecordExecutionRequest(
        execution_id="inner", node_id="n", function="f", parent_execution_id=parent, status=RUNNING
    )
    await plane.call(plane.journal.RecordExecution, request)

    await register(plane, agent.url, "two")

    assert (await plane.until("inner", FAILED)).error == (
        await plane.until(parent, FAILED)
    ).error.replace("n.think", "n.f")


async def test_notes_and_logs_are_kept_in_their_order(plane: Plane, agent: Agent) -> None:
    await register(plane, agent.url)
    execution_id = await plane.submit("n.think")
    for number in range(3):
        note = journal_service_pb2.AddNoteRequest(message=f"note {number}", tags=["a"])
        await plane.call(plane.journal.AddNote, note, x_execution_id=execution_id)
    entries = json.dumps([{"n": number} for number in range(3)]).encode()
    appended = journal_service_pb2.AppendLogsRequest(execution_id=execution_id, entries=entries)
    assert (await plane.call(plane.journal.AppendLogs, appended)).accepted == 3

    notes, token = [], ""
    while True:
        page = await plane.call(
            plane.journal.ListNotes,
            journal_service_pb2.ListNotesRequest(
                execution_id=execution_id, page_size=2, page_token=token
            ),
        )
        notes += [(one.number, one.message) for one in page.notes]
        if not (token := page.next_page_token):
            break
    assert notes == [(1, "note 0"), (2, "note 1"), (3, "note 2")]
    logs = await plane.call(
        plane.journal.ListLogs, journal_service_pb2.ListLogsRequest(execution_id=execution_id)
    )
    assert [json.loads(one.entry) for one in logs.entries] == [{"n": 0}, {"n": 1}, {"n": 2}]
    for wrong in (b"{}", b"[1]", b"[", b"7"):
        request = journal_service_pb2.AppendLogsRequest(execution_id=execution_id, entries=wrong)
        with pytest.raises(errors.InvalidArgument, match="list of objects"):
            await plane.call(plane.journal.AppendLogs, request)


async def test_of_notes_as_of_logs_the_newest_are_kept(
    plane: Plane, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "KEPT_ENTRIES", 2)
    await register(plane, agent.url)
    execution_id = await plane.submit("n.think")
    for number in range(3):
        note = journal_service_pb2.AddNoteRequest(message=f"note {number}")
        await plane.call(plane.journal.AddNote, note, x_execution_id=execution_id)

    kept = await plane.call(
        plane.journal.ListNotes, journal_service_pb2.ListNotesRequest(execution_id=execution_id)
    )
    assert [(one.number, one.message) for one in kept.notes] == [(2, "note 1"), (3, "note 2")]


async def test_an_address_is_checked_again_for_every_connection(
    storage: Storage, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "RESTART_SECONDS", 0.2)
    config = config_for(storage)
    async with running_plane(config) as plane:
        await register(plane, agent.url)
    async with running_plane(replace(config, agent_networks=("public",))) as plane:
        done = await plane.until(await plane.submit("n.think"), FAILED)
        with pytest.raises(errors.InvalidArgument, match=r"^Invalid callback URL: '127"):
            await register(plane, agent.url)

    assert "could not be reached" in done.error
    assert agent.asked == []


async def test_two_servers_share_an_agent_and_each_call_is_made_once(
    storage: Storage, agent: Agent
) -> None:
    agent.answers(202)
    async with site(storage) as both:
        first, second = both.a.plane, both.b.plane
        await register(first, agent.url)
        submitted = [await (first, second)[number % 2].submit("n.think") for number in range(20)]
        for execution_id in submitted:
            await second.until(execution_id, RUNNING)
            await report(second, execution_id, status=SUCCEEDED)
            await first.until(execution_id, SUCCEEDED)

    assert sorted(one.headers["X-Execution-ID"] for one in agent.asked) == sorted(submitted)


async def test_a_server_that_goes_down_takes_the_answers_that_come_in_time(
    storage: Storage, agent: Agent
) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(_: web.Request) -> web.StreamResponse:
        asked.set()
        await go_on.wait()
        return web.json_response(7)

    agent.answer = slowly
    async with running_plane(config_for(storage)) as plane:
        await register(plane, agent.url)
        execution_id = await plane.submit("n.count")
        await asyncio.wait_for(asked.wait(), 10)
        asyncio.get_running_loop().call_later(0.3, go_on.set)
    async with running_plane(config_for(storage)) as plane:
        assert (await plane.until(execution_id, SUCCEEDED)).result == b"7"
    assert len(agent.asked) == 1


async def test_of_a_server_that_is_gone_the_unsent_is_sent_and_the_sent_is_lost(
    storage: Storage, agent: Agent
) -> None:
    agent.answers(202)
    async with running_plane(config_for(storage)) as plane:
        await register(plane, "http://127.0.0.1:9")  # where nobody listens
        submitted = [await plane.submit("n.think") for _ in range(2)]
    async with storage.open() as database:
        store = SqlCalls(database)
        await store.return_calls(await store.gone_senders())
        claimed = {
            one.execution.execution_id: one
            for one in await store.claim_calls("repl_gone", ["n"], roots=True)
        }
        assert set(claimed) == set(submitted)
        assert await store.sent(claimed[submitted[0]].running, "repl_gone")
        assert not await store.sent(claimed[submitted[1]].running, "repl_other")
        assert await store.gone_senders() == ["repl_gone"]

    async with running_plane(config_for(storage, grace=0.3)) as plane:
        await register(plane, agent.url, "two")
        lost = await plane.until(submitted[0], FAILED)
        again = await plane.until(submitted[1], RUNNING)

    assert reason_of(lost) == "AGENT_LOST"
    assert again.instance_id == "two"
    assert [one.headers["X-Execution-ID"] for one in agent.asked] == [submitted[1]]
