"""From an HTTP request to the rpc's request, and from its response to the answer."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest
from unit.gateway.scripted_transport import Gateway

from agentfield.contract import facts
from agentfield.v1 import execution_pb2, node_service_pb2, options_pb2
from agentfield.v1 import execution_service_pb2 as pb
from agentfield_gateway.routes import Route, Rpc, contract_routes

pytestmark = pytest.mark.unit

ROUTES = list(contract_routes())
EXECUTE = "/api/v1/execute/writer.draft"
EXACT = b'{"n": 9007199254740993, "x":1.0, "y": 1e2,\n "z":"\\u00fc"}'


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.verb} {route.template}")
async def test_every_route_calls_its_rpc_with_its_path(gateway: Gateway, route: Route[Rpc]) -> None:
    names = re.findall(r"{(\w+)}", route.template)
    path = re.sub(r"{(\w+)}", r"a-\1", route.template)
    if route.leads_to.event_stream:
        gateway.plane.messages.put_nowait(None)

    answer = await gateway.send(route.verb, path)

    options = facts.methods()[route.leads_to.method].descriptor.GetOptions()
    declared = options.Extensions[options_pb2.rest]
    over = 204 if declared.last_event_id else 200
    assert answer.status == (declared.success_status or over)
    heard = gateway.plane.heard[-1]
    assert route.leads_to.method.endswith(f"/{heard.rpc}")
    assert {name: getattr(heard.request, name) for name in names} == {
        name: f"a-{name}" for name in names
    }


async def test_json_of_a_body_reaches_the_rpc_byte_for_byte(gateway: Gateway) -> None:
    await gateway.post(EXECUTE, b'{"input": ' + EXACT + b', "timeout": "2.5s"}')

    request = gateway.plane.heard[-1].request
    assert request.input == EXACT
    assert request.timeout.ToMilliseconds() == 2500


async def test_json_of_a_response_reaches_the_caller_byte_for_byte(gateway: Gateway) -> None:
    gateway.plane.answers["Execute"] = pb.ExecuteResponse(
        execution_id="exec_1", run_id="run_1", result=EXACT, duration_ms=9007199254740993
    )

    answer = await gateway.post(EXECUTE)

    text = await answer.read()
    assert b'"result":' + EXACT + b"," in text
    assert b'"duration_ms":9007199254740993' in text
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Execution-ID"] == "exec_1"
    assert answer.headers["X-Run-ID"] == "run_1"


async def test_what_is_stored_is_answered_with_202(gateway: Gateway) -> None:
    gateway.plane.answers["ExecuteAsync"] = pb.ExecuteAsyncResponse(execution_id="exec_1")

    answer = await gateway.post("/api/v1/execute/async/writer.draft")

    assert (answer.status, answer.headers["X-Execution-ID"]) == (202, "exec_1")


async def test_a_response_body_field_is_the_whole_answer(gateway: Gateway) -> None:
    gateway.plane.answers["GetNode"] = node_service_pb2.GetNodeResponse(
        node=node_service_pb2.Node(node_id="writer")
    )

    found = await (await gateway.get("/api/v1/nodes/writer")).json()

    assert found["node_id"] == "writer"


async def test_a_response_body_field_that_is_unset_is_an_empty_object(gateway: Gateway) -> None:
    assert await (await gateway.get("/api/v1/session-instances/sess_1")).json() == {}


async def test_an_encoded_slash_reaches_the_field_as_a_slash(gateway: Gateway) -> None:
    await gateway.post("/api/v1/execute/async%2Fx")

    heard = gateway.plane.heard[-1]
    assert (heard.rpc, heard.request.target) == ("Execute", "async/x")


async def test_query_parameters_are_the_request_of_a_route_without_body(gateway: Gateway) -> None:
    await gateway.get("/api/v1/executions?status=running&page_size=7&target=a.b%20c+d&run_id=")

    assert gateway.plane.heard[-1].request == pb.ListExecutionsRequest(
        status=execution_pb2.EXECUTION_STATUS_RUNNING, page_size=7, target="a.b c d"
    )


async def test_head_is_answered_like_get_without_a_body(gateway: Gateway) -> None:
    answer = await gateway.send("HEAD", "/api/v1/nodes/writer")

    assert (answer.status, await answer.read()) == (200, b"")
    assert gateway.plane.heard[-1].rpc == "GetNode"


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        (EXECUTE, b"{", "JSON"),
        (EXECUTE, b"[]", "object"),
        (EXECUTE, b'{"input": {"a": NaN}}', "NaN"),
        (EXECUTE, b"\xff", "UTF-8"),
        (EXECUTE, b'{"inputs": {}}', "'inputs'"),
        (EXECUTE, b'{"request_id": 5}', "'request_id'"),
        (EXECUTE, b'{"target": "reader.draft"}', "'target'"),
        (EXECUTE + "?timeout=5s", b"", "query"),
        ("/api/v1/execute/%ff", b"", "path"),
    ],
)
async def test_a_wrong_body_or_path_is_a_clear_400(
    gateway: Gateway, path: str, body: bytes, says: str
) -> None:
    answer = await gateway.post(path, body)

    found = await answer.json()
    assert (answer.status, found["reason"]) == (400, "INVALID_ARGUMENT")
    assert says in found["error"]
    assert not gateway.plane.heard


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("colour=red", "'colour'"),
        ("page_size=many", "'page_size'"),
        ("status=asleep", "'status'"),
        ("run_id=%ff", "query"),
    ],
)
async def test_a_wrong_query_is_a_clear_400(gateway: Gateway, query: str, says: str) -> None:
    answer = await gateway.get(f"/api/v1/executions?{query}")

    assert answer.status == 400
    assert says in (await answer.json())["error"]
    assert not gateway.plane.heard


async def test_a_query_cannot_change_what_the_path_says(gateway: Gateway) -> None:
    answer = await gateway.get("/api/v1/executions/exec_1?execution_id=exec_2")

    assert answer.status == 400
    assert "'execution_id'" in (await answer.json())["error"]


async def test_a_body_may_repeat_what_the_path_says(gateway: Gateway) -> None:
    answer = await gateway.post(EXECUTE, b'{"target": "writer.draft"}')

    assert answer.status == 200


async def test_the_idempotency_key_is_the_request_id(gateway: Gateway) -> None:
    await gateway.post(EXECUTE, headers={"Idempotency-Key": "once"})
    await gateway.post(EXECUTE, b'{"request_id": "once"}', headers={"Idempotency-Key": "once"})

    assert [heard.request.request_id for heard in gateway.plane.heard] == ["once", "once"]


async def test_an_idempotency_key_that_differs_from_the_body_is_refused(gateway: Gateway) -> None:
    answer = await gateway.post(
        EXECUTE, b'{"request_id": "twice"}', headers={"Idempotency-Key": "once"}
    )

    assert answer.status == 400
    assert "Idempotency-Key" in (await answer.json())["error"]


async def test_an_idempotency_key_means_nothing_to_rpcs_without_one(gateway: Gateway) -> None:
    answer = await gateway.get("/api/v1/nodes", headers={"Idempotency-Key": "once"})

    assert answer.status == 200


async def test_whose_address_asks_is_what_the_gateway_sees(gateway: Gateway) -> None:
    claimed = {"X-Forwarded-For": "192.0.2.1", "Agentfield-Peer": "192.0.2.1"}

    await gateway.post(EXECUTE, headers=claimed)

    assert gateway.plane.heard[-1].peer == "127.0.0.1"


async def test_only_the_contract_s_headers_are_passed_on(gateway: Gateway) -> None:
    ours = {
        "Authorization": "Bearer key",
        "X-API-Key": "key",
        "X-Session-ID": "s",
        "X-Run-ID": "r",
        "X-Workflow-ID": "w",
        "X-Execution-ID": "e",
        "X-Parent-Execution-ID": "p",
        "X-Actor-ID": "a",
        "Traceparent": "00-1-2-01",
    }
    others = {"Cookie": "c=1", "X-Forwarded-Host": "elsewhere", "X-Custom": "1", "User-Agent": "u"}

    await gateway.post(EXECUTE, headers=ours | others)

    assert gateway.plane.heard[-1].metadata == {name.lower(): ours[name] for name in ours}


@pytest.mark.parametrize("value", ["ü", "a\tb"])
async def test_a_header_that_metadata_cannot_carry_is_refused(gateway: Gateway, value: str) -> None:
    answer = await gateway.post(EXECUTE, headers={"X-Actor-ID": value})

    assert answer.status == 400
    assert "x-actor-id" in (await answer.json())["error"]


async def test_a_credential_that_is_given_twice_is_refused(gateway: Gateway) -> None:
    answer = await gateway.get(
        "/api/v1/nodes", headers=[("X-API-Key", "mine"), ("X-API-Key", "yours")]
    )

    assert answer.status == 400
    assert not gateway.plane.heard


async def test_a_body_of_exactly_the_limit_is_taken(
    gateway_with: Callable[..., Awaitable[Gateway]],
) -> None:
    gateway = await gateway_with(max_body_bytes=1000)

    answer = await gateway.post(EXECUTE, b"{}".ljust(1000))

    assert answer.status == 200


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_refused_in_our_form(
    gateway_with: Callable[..., Awaitable[Gateway]], *, chunked: bool
) -> None:
    gateway = await gateway_with(max_body_bytes=1000)

    async def pieces() -> object:
        yield b"{}".ljust(1001)

    answer = await gateway.send("POST", EXECUTE, data=pieces() if chunked else b"{}".ljust(1001))

    found = await answer.json()
    assert (answer.status, found["reason"]) == (413, "PAYLOAD_TOO_LARGE")
    assert found["details"] == {"limit": "1000"}
    assert not gateway.plane.heard


async def test_a_body_that_is_too_large_is_refused_before_it_arrives(gateway: Gateway) -> None:
    status, found = await gateway.raw(
        b"POST /api/v1/execute/a.b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n"
    )

    assert (status, found["reason"]) == (413, "PAYLOAD_TOO_LARGE")


async def test_a_body_that_is_not_encoded_as_it_says_is_a_400(gateway: Gateway) -> None:
    answer = await gateway.post(
        EXECUTE, b"no zip", headers={"Content-Encoding": "gzip"}, compress=None
    )

    assert (answer.status, (await answer.json())["reason"]) == (400, "INVALID_ARGUMENT")
