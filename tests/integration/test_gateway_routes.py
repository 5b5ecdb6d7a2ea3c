"""REST over a real control plane, by each way the gateway has to one."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession
from support.plane import (
    CANCELLED,
    PATIENCE,
    QUEUED,
    SUCCEEDED,
    Plane,
    ScriptedWorker,
    config_for,
    keyring,
    running_plane,
)

from agentfield.identity import Caller
from agentfield.process.channels import ClientTls
from agentfield_gateway import GatewayConfig, GrpcTransport, Transport, serve
from agentfield_gateway.routes import contract_routes
from agentfield_gateway.transport import connect

pytestmark = [pytest.mark.integration, pytest.mark.any_database]

EXACT = b'{"n": 9007199254740993, "x":1.0,\n"text":"\\u00fc/\xc3\xbc"}'
Reach = Callable[[Plane], AbstractAsyncContextManager[Transport]]


@asynccontextmanager
async def over_grpc(plane: Plane) -> AsyncIterator[Transport]:
    async with connect(plane.app.grpc_address, ClientTls()) as channel:
        yield GrpcTransport(channel)


@asynccontextmanager
async def in_process(plane: Plane) -> AsyncIterator[Transport]:
    yield plane.app.transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """A client of a gateway."""

    session: ClientSession

    async def get(self, path: str, **headers: str) -> ClientResponse:
        """GET and read the answer. Underscores in header names are dashes."""
        return await self.send("GET", path, None, **headers)

    async def post(self, path: str, body: bytes = b"", **headers: str) -> ClientResponse:
        """POST and read the answer."""
        return await self.send("POST", path, body, **headers)

    async def send(
        self, verb: str, path: str, body: bytes | None, **headers: str
    ) -> ClientResponse:
        """Send a request and read the answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self.session.request(verb, path, data=io.BytesIO(body or b""), headers=named)
        await answer.read()
        return answer


@asynccontextmanager
async def gateway_to(plane: Plane, reach: Reach) -> AsyncIterator[Rest]:
    config = GatewayConfig(http_bind="127.0.0.1:0")
    async with AsyncExitStack() as stack:
        transport = await stack.enter_async_context(reach(plane))
        address = await stack.enter_async_context(serve(transport, config))
        session = ClientSession(f"http://{address}")
        yield Rest(session=await stack.enter_async_context(session))


@pytest.fixture(params=[over_grpc, in_process], ids=["grpc", "local"])
def reach(request: pytest.FixtureRequest) -> Reach:
    found: Reach = request.param
    return found


@pytest.fixture
async def gateway(plane: Plane, reach: Reach) -> AsyncIterator[Rest]:
    async with gateway_to(plane, reach) as rest:
        yield rest


async def test_execute_carries_json_both_ways_byte_for_byte(plane: Plane, gateway: Rest) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    async with asyncio.TaskGroup() as tasks:
        call = tasks.create_task(gateway.post("/api/v1/execute/n.f", b'{"input":' + EXACT + b"}"))
        work = worker.accept(await worker.take())
        await worker.report(work, EXACT)

    answer = call.result()
    assert work.input == EXACT
    assert answer.status == 200
    assert b'"result":' + EXACT + b"," in await answer.read()
    assert answer.headers["X-Execution-ID"] == work.execution_id
    assert answer.headers["X-Run-ID"] == work.run_id
    stored = await gateway.get(f"/api/v1/executions/{work.execution_id}")
    assert (await stored.read()).count(EXACT) == 2


async def test_an_execution_that_fails_is_an_error_with_its_ids(
    plane: Plane, gateway: Rest
) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    async with asyncio.TaskGroup() as tasks:
        call = tasks.create_task(gateway.post("/api/v1/execute/n.f"))
        work = worker.accept(await worker.take())
        await worker.fail(work, "out of stock")

    found = await call.result().json()
    assert call.result().status == 502
    assert (found["error"], found["reason"]) == ("out of stock", "EXECUTION_FAILED")
    assert found["details"]["execution_id"] == work.execution_id
    assert found["details"]["run_id"] == work.run_id


async def test_an_execution_that_is_cancelled_is_said_to_be_so(plane: Plane, gateway: Rest) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    async with asyncio.TaskGroup() as tasks:
        call = tasks.create_task(gateway.post("/api/v1/execute/n.f"))
        work = await worker.take()
        await gateway.post(f"/api/v1/executions/{work.execution_id}/cancel", b'{"reason":"enough"}')

    found = await call.result().json()
    assert (call.result().status, found["reason"]) == (409, "EXECUTION_CANCELLED")


async def test_every_route_of_the_contract_answers(plane: Plane, gateway: Rest) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    execution_id = await plane.submit("n.f")
    run_id = worker.accept(await worker.take()).run_id
    registration = json.dumps({"registration_id": worker.registration_id}).encode()
    names = {"target": "n.f", "node_id": "n", "execution_id": execution_id, "run_id": run_id}
    names |= {"session_id": "sess_00000000000000000000000000", "tool": "f"}
    bodies = {
        "RegisterNode": b'{"node_id":"m","instance_id":"1","functions":[{"name":"f","kind":"skill"}]}',
        "Heartbeat": registration,
        "DeregisterNode": registration,
        "BatchGetExecutions": json.dumps({"execution_ids": [execution_id, "none"]}).encode(),
        "ReportExecution": b'{"attempt":1,"status":"succeeded","result":1.0}',
        "Execute": b'{"timeout":"0.05s"}',
        "RealtimeOffer": b"v=0",
        "Query": b'{"resource":"executions"}',
        "AddNote": json.dumps({"execution_id": execution_id, "message": "so far"}).encode(),
        "AppendLogs": b'{"entries":[{"level":"INFO"}]}',
        "RecordExecution": json.dumps(
            {
                "execution_id": "inner",
                "agent_node_id": "n",
                "reasoner_id": "g",
                "parent_execution_id": execution_id,
            }
        ).encode(),
    }
    # The worker leaves last, and who watches needs an end to come to.
    order = ["ReportExecution", "WatchExecution", "DeregisterNode"]
    routes = sorted(
        contract_routes(), key=lambda r: [r.leads_to.method.endswith(f"/{name}") for name in order]
    )

    answers = {}
    for route in routes:
        body = bodies.get(route.leads_to.method.rpartition("/")[2])
        path = route.template.format(**names)
        answers[f"{route.verb} {route.template}"] = await gateway.send(route.verb, path, body)

    assert {route: answer.status for route, answer in answers.items()} == {
        "POST /api/v1/client-tokens": 400,  # no target
        "POST /api/v1/execute/{target}": 504,
        "POST /api/v1/execute/async/{target}": 202,
        "GET /api/v1/executions": 200,
        "GET /api/v1/executions/{execution_id}": 200,
        "GET /api/v1/executions/{execution_id}/events": 200,
        "POST /api/v1/executions/{execution_id}/cancel": 200,
        "POST /api/v1/executions/{execution_id}/status": 200,
        "POST /api/v1/executions/batch-status": 200,
        "POST /api/v1/agentic/query": 200,
        "POST /api/v1/executions/note": 200,
        "GET /api/v1/executions/{execution_id}/notes": 200,
        "POST /api/v1/executions/{execution_id}/logs": 200,
        "GET /api/v1/executions/{execution_id}/logs": 200,
        # The execution was cancelled: it makes no more calls.
        "POST /api/v1/workflow/executions": 409,
        "POST /api/v1/workflow/executions/events": 409,
        "GET /api/v1/workflows": 200,
        "GET /api/v1/workflows/{run_id}/dag": 200,
        "GET /api/ui/v1/workflows/{run_id}/dag": 200,
        "GET /api/v1/nodes": 200,
        "GET /api/v1/nodes/{node_id}": 200,
        "POST /api/v1/nodes": 201,
        "POST /api/v1/nodes/register": 201,
        "PATCH /api/v1/nodes/{node_id}/status": 200,
        "POST /api/v1/nodes/{node_id}/lifecycle/status": 200,
        "POST /api/v1/nodes/{node_id}/heartbeat": 200,
        "POST /api/v1/nodes/{node_id}/shutdown": 202,
        "GET /api/v1/server": 200,
        # The node declares no session, and none was started.
        "POST /api/v1/session-targets/{target}/start": 404,
        "POST /api/v1/sessions/{target}/start": 404,
        "POST /api/v1/session-instances/{session_id}/realtime-offer": 404,
        "POST /api/v1/sessions/{session_id}/realtime-offer": 404,
        "POST /api/v1/session-instances/{session_id}/tools/{tool}": 404,
        "POST /api/v1/sessions/{session_id}/tools/{tool}": 404,
        "GET /api/v1/session-instances": 200,
        "GET /api/v1/session-instances/{session_id}": 404,
        "DELETE /api/v1/session-instances/{session_id}": 404,
        "POST /api/v1/session-instances/{session_id}/end": 404,
        "GET /api/v1/session-instances/{session_id}/events": 404,
        "GET /api/v1/session-instances/{session_id}/workflows": 404,
    }
    batch = await answers["POST /api/v1/executions/batch-status"].json()
    assert {i: found["status"] for i, found in batch.items()} == {
        execution_id: "running",
        "none": "not_found",
    }
    dag = await answers["GET /api/v1/workflows/{run_id}/dag"].json()
    assert dag["workflow"]["root_execution_id"] == execution_id
    late = (await plane.get(execution_id)).late_report
    assert (late.status, late.result) == (SUCCEEDED, b"1.0")


async def given_up(gateway: Rest) -> bytes:
    """Return the metrics line of Execute calls whose callers left."""
    text = await (await gateway.get("/metrics")).read()
    lines = [line for line in text.splitlines() if b'"/api/v1/execute/{target}"' in line]
    return b"".join(line for line in lines if b'"disconnected"' in line and b"_total" in line)


async def test_a_caller_that_leaves_does_not_cancel_the_execution(
    plane: Plane, gateway: Rest
) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    before = await given_up(gateway)
    async with asyncio.TaskGroup() as tasks:
        call = tasks.create_task(gateway.post("/api/v1/execute/n.f"))
        work = worker.accept(await worker.take())
        call.cancel()
    async with asyncio.timeout(PATIENCE):
        while await given_up(gateway) == before:
            pass

    assert await worker.report(work, b"1") == SUCCEEDED


async def test_the_same_idempotency_key_joins_the_same_execution(
    plane: Plane, gateway: Rest
) -> None:
    await ScriptedWorker(plane, "n", "f").register()
    path = "/api/v1/execute/async/n.f"

    first, again = [await gateway.post(path, idempotency_key="once") for _ in range(2)]
    other = await gateway.post(path, b'{"input":{"a":1}}', idempotency_key="once")

    assert first.headers["X-Execution-ID"] == again.headers["X-Execution-ID"]
    assert (other.status, (await other.json())["reason"]) == (409, "REQUEST_ID_REUSED")


async def test_a_nested_call_belongs_to_its_parent_s_run(plane: Plane, gateway: Rest) -> None:
    await ScriptedWorker(plane, "n", "f").register()
    path = "/api/v1/execute/async/n.f"
    parent = await (await gateway.post(path)).json()

    child = await gateway.post(
        path, x_parent_execution_id=parent["execution_id"], x_actor_id="someone"
    )

    found = await (
        await gateway.get(f"/api/v1/executions/{child.headers['X-Execution-ID']}")
    ).json()
    assert found["parent_execution_id"] == parent["execution_id"]
    assert (found["run_id"], found["actor_id"]) == (parent["run_id"], "someone")


async def events(answer: ClientResponse) -> AsyncIterator[dict[str, Any]]:
    async for line in answer.content:
        if line.startswith(b"data: "):
            yield json.loads(line.removeprefix(b"data: "))


async def test_an_execution_is_watched_to_its_end(plane: Plane, gateway: Rest) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    execution_id = await plane.submit("n.f")

    async with asyncio.timeout(PATIENCE):
        answer = await gateway.session.get(f"/api/v1/executions/{execution_id}/events")
        work = worker.accept(await worker.take())
        await plane.until(execution_id, 2)
        await worker.report(work, b'{"x":1.0}')
        seen = [event async for event in events(answer)]

    assert seen[-1]["status"] == "succeeded"
    assert seen[-1]["result"] == {"x": 1.0}


async def test_watching_what_does_not_exist_is_a_404(gateway: Rest) -> None:
    answer = await gateway.get("/api/v1/executions/exec_00000000000000000000000000/events")

    assert (answer.status, (await answer.json())["reason"]) == (404, "EXECUTION_NOT_FOUND")


async def test_a_reader_that_leaves_harms_nobody(plane: Plane, gateway: Rest) -> None:
    await ScriptedWorker(plane, "n", "f").register()
    execution_id = await plane.submit("n.f")
    path = f"/api/v1/executions/{execution_id}/events"
    async with asyncio.timeout(PATIENCE):
        leaves, stays = [await gateway.session.get(path) for _ in range(2)]
        await anext(events(leaves))

        leaves.close()
        await gateway.post(f"/api/v1/executions/{execution_id}/cancel")

        assert [event["status"] async for event in events(stays)][-1] == "cancelled"
    assert (await plane.get(execution_id)).status == CANCELLED


async def test_the_largest_payload_passes_and_a_larger_one_does_not(
    plane: Plane, gateway: Rest
) -> None:
    await ScriptedWorker(plane, "n", "f").register()
    limit = 8 * 1024 * 1024
    path = "/api/v1/execute/async/n.f"

    largest = await gateway.post(path, b'{"input":{"a":"' + b"x" * (limit - 8) + b'"}}')
    larger = await gateway.post(path, b'{"input":{"a":"' + b"x" * (limit - 7) + b'"}}')
    huge = await gateway.post(path, b'{"input":{"a":"' + b"x" * (limit + 65536) + b'"}}')

    assert largest.status == 202
    assert (await plane.get(largest.headers["X-Execution-ID"])).status == QUEUED
    assert [answer.status for answer in (larger, huge)] == [413, 413]
    assert {(await answer.json())["reason"] for answer in (larger, huge)} == {"PAYLOAD_TOO_LARGE"}


async def test_an_encoded_slash_stays_inside_its_segment(gateway: Rest) -> None:
    answer = await gateway.get("/api/v1/nodes/a%2Fb")

    found = await answer.json()
    assert (answer.status, found["reason"]) == (404, "NODE_NOT_FOUND")
    assert "a/b" in found["error"]


async def test_the_caller_s_own_key_decides(tmp_path: Path, reach: Reach) -> None:
    keys = keyring(
        Caller(name="one", roles=frozenset({"client"})),
        Caller(name="two", roles=frozenset({"client"})),
        Caller(name="agent", roles=frozenset({"agent"}), nodes=("n",)),
    )
    config = replace(config_for(tmp_path / "data"), keyring=keys)
    async with running_plane(config) as plane, gateway_to(plane, reach) as gateway:
        await ScriptedWorker(plane.as_("agent"), "n", "f").register()
        started = await gateway.post("/api/v1/execute/async/n.f", authorization="Bearer one")
        path = f"/api/v1/executions/{started.headers['X-Execution-ID']}"

        answers = [
            await gateway.get(path),
            await gateway.get(path, x_api_key="nobody"),
            await gateway.get(path, x_api_key="one"),
            await gateway.get(path, x_api_key="two"),
            await gateway.post("/api/v1/nodes/register", b"{}", x_api_key="one"),
            await gateway.get("/readyz"),
        ]

    assert [answer.status for answer in answers] == [401, 401, 200, 404, 403, 200]
    assert answers[0].headers["WWW-Authenticate"] == "Bearer"


async def test_a_control_plane_that_is_gone_is_said_to_be_so(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        async with running_plane(config_for(tmp_path / "data")) as plane:
            gateway = await stack.enter_async_context(gateway_to(plane, over_grpc))
            ready = await gateway.get("/readyz")

        gone, call = await gateway.get("/readyz"), await gateway.get("/api/v1/nodes")

    assert (ready.status, gone.status, call.status) == (200, 503, 503)
    assert await gone.json() == {"status": "unavailable", "reason": "SERVER_UNREACHABLE"}
    assert (await call.json())["reason"] == "SERVER_UNREACHABLE"
