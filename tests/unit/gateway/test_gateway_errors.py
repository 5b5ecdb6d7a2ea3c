"""How failures look over HTTP."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
from unit.gateway.scripted_transport import Gateway, ScriptedTransport

from agentfield.v1.errors import BY_REASON, ServerDraining, StoreUnavailable
from agentfield_gateway import GatewayConfig, serve
from agentfield_gateway.outgoing import error_json

pytestmark = pytest.mark.unit

EXECUTE = "/api/v1/execute/writer.draft"


@pytest.mark.parametrize("reason", BY_REASON)
async def test_every_reason_has_its_status_and_the_one_form(gateway: Gateway, reason: str) -> None:
    kind = BY_REASON[reason]
    gateway.plane.answers["Execute"] = kind("It went wrong.", metadata={"execution_id": "exec_1"})

    answer = await gateway.post(EXECUTE)

    assert answer.status == kind.http_status
    assert answer.headers["Content-Type"] == "application/json"
    found = await answer.json()
    # Some have a word that existing clients look for, and one that they sort by.
    assert found.pop("error_category", "") == kind.category
    assert found == {
        "error": kind.word or "It went wrong.",
        "message": "It went wrong.",
        "reason": reason,
        "details": {"execution_id": "exec_1"},
        "execution_id": "exec_1",
    }


@pytest.mark.parametrize(("seconds", "header"), [(0.0, "1"), (0.2, "1"), (2.0, "2"), (2.1, "3")])
async def test_when_to_try_again_is_told_in_whole_seconds(
    gateway: Gateway, seconds: float, header: str
) -> None:
    gateway.plane.answers["Execute"] = ServerDraining("Later.", retry_after=seconds)

    answer = await gateway.post(EXECUTE)

    assert answer.headers["Retry-After"] == header
    assert (await answer.json())["retry_after"] == int(header)


async def test_when_to_try_again_is_not_told_where_it_is_unknown(gateway: Gateway) -> None:
    gateway.plane.answers["Execute"] = StoreUnavailable("Later.")

    assert "Retry-After" not in (await gateway.post(EXECUTE)).headers


async def test_a_missing_key_is_asked_for(gateway: Gateway) -> None:
    gateway.plane.answers["Execute"] = BY_REASON["UNAUTHENTICATED"]("Who is it?")

    answer = await gateway.post(EXECUTE)

    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("path", ["/console", "/api/v1/nothing", "/api/v1/nodes/", "//health"])
async def test_an_unknown_path_is_a_404(gateway: Gateway, path: str) -> None:
    answer = await gateway.get(path)

    assert (answer.status, (await answer.json())["reason"]) == (404, "ROUTE_NOT_FOUND")


async def test_a_request_for_no_path_is_a_404(gateway: Gateway) -> None:
    status, found = await gateway.raw(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n")

    assert (status, found["reason"]) == (404, "ROUTE_NOT_FOUND")


@pytest.mark.parametrize(
    ("verb", "path", "allow"),
    [
        ("GET", EXECUTE, "POST"),
        ("DELETE", "/api/v1/nodes", "GET, HEAD, POST"),
        ("POST", "/health", "GET, HEAD"),
        ("HEAD", "/api/v1/executions/exec_1/events", "GET"),
        ("OPTIONS", "/api/v1/nodes", "GET, HEAD, POST"),
    ],
)
async def test_another_method_is_a_405_that_names_the_right_ones(
    gateway: Gateway, verb: str, path: str, allow: str
) -> None:
    answer = await gateway.send(verb, path)

    assert (answer.status, answer.headers["Allow"]) == (405, allow)
    if verb != "HEAD":
        assert (await answer.json())["reason"] == "METHOD_NOT_ALLOWED"


async def test_what_nobody_foresaw_is_logged_without_its_words(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.plane.answers["Execute"] = KeyError("what the caller said")

    answer = await gateway.post(EXECUTE)

    assert (answer.status, (await answer.json())["reason"]) == (500, "INTERNAL")
    (record,) = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert vars(record)["error"] == "KeyError"
    assert "scripted_transport.py" in vars(record)["traceback"]
    assert "what the caller said" not in str(vars(record)) + await answer.text()


async def test_bytes_that_are_not_http_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with serve(ScriptedTransport(), GatewayConfig(http_bind="127.0.0.1:0")) as address:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-API-Key: secret\0\r\n\r\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()

    assert answer.startswith(b"HTTP/1.0 400 ")
    assert "secret" not in caplog.text


def test_a_message_that_is_no_utf_8_is_sent_escaped() -> None:
    assert json.loads(error_json(ServerDraining("not \ud800")))["error"] == "not \ud800"
