"""Whom the gateway answers: hosts, origins, and what pages of other origins may do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from unit.gateway.scripted_transport import Gateway

from agentfield.v1 import errors

pytestmark = pytest.mark.unit

Start = Callable[..., Awaitable[Gateway]]
NODES = "/api/v1/nodes"
PAGE = "https://page.example"


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1",
        "127.0.0.1:8080",
        "[::1]",
        "[::1]:8080",
        "10.1.2.3:80",
    ],
)
async def test_this_machine_and_the_bound_host_are_answered(gateway_with: Start, host: str) -> None:
    gateway = await gateway_with(http_bind="10.1.2.3:8080")

    assert (await gateway.get(NODES, headers={"Host": host})).status == 200


@pytest.mark.parametrize("path", [NODES, "/health", "/metrics", "/readyz", "/nothing"])
async def test_another_host_is_refused_everywhere(gateway: Gateway, path: str) -> None:
    answer = await gateway.get(path, headers={"Host": "rebound.example:8080"})

    found = await answer.json()
    assert (answer.status, found["reason"]) == (403, "HOST_NOT_ALLOWED")
    assert "AGENTFIELD_ALLOWED_HOSTS" in found["error"]
    assert not gateway.plane.heard


@pytest.mark.parametrize("allowed", ["Named.example", "*"])
async def test_a_host_that_is_named_is_answered(gateway_with: Start, allowed: str) -> None:
    gateway = await gateway_with(allowed_hosts=(allowed,))

    assert (await gateway.get(NODES, headers={"Host": "named.example:443"})).status == 200


async def test_an_ipv6_address_that_is_bound_is_answered(gateway_with: Start) -> None:
    gateway = await gateway_with(http_bind="[fd00::1]:8080")

    assert (await gateway.get(NODES, headers={"Host": "[FD00::1]:8080"})).status == 200


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b"Host:\r\n",
        b"Host: localhost:8080:1\r\n",
        b"Host: localhost@elsewhere\r\n",
        b"Host: [::1\r\n",
    ],
)
async def test_a_request_needs_one_proper_host(gateway: Gateway, host: bytes) -> None:
    status, found = await gateway.raw(b"GET /health HTTP/1.0\r\n" + host + b"\r\n")

    assert (status, found["reason"]) == (400, "INVALID_ARGUMENT")


async def test_the_host_of_an_absolute_url_does_not_replace_the_header(gateway: Gateway) -> None:
    status, found = await gateway.raw(
        b"GET http://localhost/health HTTP/1.1\r\nHost: rebound.example\r\n\r\n"
    )

    assert (status, found["reason"]) == (403, "HOST_NOT_ALLOWED")


async def test_a_page_of_the_gateway_itself_may_call_it(gateway: Gateway) -> None:
    headers = {"Host": "localhost:8080", "Origin": "http://localhost:8080"}

    assert (await gateway.get(NODES, headers=headers)).status == 200


@pytest.mark.parametrize(
    "origin", [PAGE, "null", "https://localhost:8080", "http://localhost:8081", "ü"]
)
@pytest.mark.parametrize("verb", ["GET", "POST", "OPTIONS"])
async def test_a_page_of_another_origin_may_not(gateway: Gateway, origin: str, verb: str) -> None:
    headers = {
        "Host": "localhost:8080",
        "Origin": origin,
        "Access-Control-Request-Method": "GET",
    }

    answer = await gateway.send(verb, NODES, headers=headers)

    reason = "ORIGIN_NOT_ALLOWED" if origin.isascii() else "INVALID_ARGUMENT"
    assert (await answer.json())["reason"] == reason
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert not gateway.plane.heard


@pytest.mark.parametrize("origin", [PAGE, "null"])
async def test_a_page_of_an_origin_that_is_named_may(gateway_with: Start, origin: str) -> None:
    gateway = await gateway_with(cors_origins=(origin,))

    answer = await gateway.get(NODES, headers={"Origin": origin})

    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert (
        answer.headers["Access-Control-Expose-Headers"] == "X-Execution-ID, X-Run-ID, Retry-After"
    )
    assert answer.headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_a_page_may_read_errors_and_events_too(gateway_with: Start) -> None:
    gateway = await gateway_with(cors_origins=(PAGE,))
    gateway.plane.answers["ListNodes"] = errors.Unauthenticated("Who is it?")
    gateway.plane.messages.put_nowait(None)

    answers = [
        await gateway.get(path, headers={"Origin": PAGE})
        for path in (NODES, "/nothing", "/api/v1/executions/exec_1/events")
    ]

    assert [answer.status for answer in answers] == [401, 404, 200]
    assert {answer.headers["Access-Control-Allow-Origin"] for answer in answers} == {PAGE}


async def test_a_preflight_tells_what_a_page_may_send(gateway_with: Start) -> None:
    gateway = await gateway_with(cors_origins=(PAGE,))
    headers = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}

    answer = await gateway.send("OPTIONS", "/api/v1/execute/writer.draft", headers=headers)

    assert (answer.status, await answer.read()) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert answer.headers["Access-Control-Allow-Methods"] == "POST"
    assert answer.headers["Access-Control-Max-Age"] == "600"
    assert answer.headers["Vary"] == "Origin"
    allowed = set(answer.headers["Access-Control-Allow-Headers"].lower().split(", "))
    assert {"authorization", "content-type", "idempotency-key", "x-api-key"} <= allowed
    assert not gateway.plane.heard


async def test_a_preflight_for_an_unknown_path_is_a_404(gateway_with: Start) -> None:
    gateway = await gateway_with(cors_origins=(PAGE,))
    headers = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}

    assert (await gateway.send("OPTIONS", "/nothing", headers=headers)).status == 404
