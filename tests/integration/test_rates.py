"""A caller that calls too often is told to wait, over gRPC and REST, and costs nobody else a call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from support.plane import Plane, ScriptedWorker, config_for, keyring, running_plane

from agentfield.identity import Caller
from agentfield.v1 import errors
from agentfield.v1.node_service_pb2 import ListNodesRequest
from agentfield.v1.server_service_pb2 import GetServerInfoRequest
from agentfield_sdk import Client

pytestmark = pytest.mark.integration

CALLERS = [Caller(name=name, roles=frozenset({"client"})) for name in ("one", "other")]
BOT = Caller(name="bot", roles=frozenset({"agent"}), nodes=("*",))


@asynccontextmanager
async def limited(tmp_path: Path, *, keys: bool = True) -> AsyncIterator[Plane]:
    """Run a server that takes one request per second of one caller, and ten that it saved up."""
    config = replace(
        config_for(tmp_path / "data"),
        http_bind="127.0.0.1:0",
        rate_limit=1,
        keyring=keyring(*CALLERS, BOT) if keys else None,
    )
    async with running_plane(config) as plane:
        yield plane


async def use_up(plane: Plane) -> errors.RateLimited:
    """Call until that is refused, and return how."""
    for _ in range(100):
        try:
            await plane.call(plane.nodes.ListNodes, ListNodesRequest())
        except errors.RateLimited as refused:
            return refused
    raise AssertionError("nothing was refused")


async def test_a_key_that_calls_too_often_is_told_to_wait_and_other_keys_are_served(
    tmp_path: Path,
) -> None:
    async with limited(tmp_path) as plane:
        refused = await use_up(plane.as_("one"))

        assert refused.message.startswith("Key 'one' makes more than 1 requests per second")
        assert refused.metadata == {"requests_per_second": "1"}
        assert 0 < (refused.retry_after or 0) <= 1
        await plane.as_("other").call(plane.nodes.ListNodes, ListNodesRequest())


async def test_over_rest_the_answer_is_429_with_retry_after(tmp_path: Path) -> None:
    async with limited(tmp_path) as plane:
        await use_up(plane.as_("one"))
        url, key = f"http://{plane.http_address}/api/v1/nodes", {"X-API-Key": "one"}
        async with ClientSession(headers=key) as http, http.get(url) as answer:
            found: dict[str, Any] = await answer.json()

    assert (answer.status, found["reason"]) == (429, "RATE_LIMITED")
    assert answer.headers["Retry-After"] == "1"


async def test_without_keys_an_address_is_a_caller_whichever_way_it_comes(tmp_path: Path) -> None:
    async with limited(tmp_path, keys=False) as plane:
        refused = await use_up(plane)
        paths = ("/api/v1/nodes", "/health", "/readyz")
        async with ClientSession(f"http://{plane.http_address}") as http:
            answers = [await http.get(path) for path in paths]

    assert refused.message.startswith("Address 127.0.0.1 makes")
    assert [answer.status for answer in answers] == [429, 200, 200]


async def test_what_agents_report_is_not_counted(tmp_path: Path) -> None:
    async with limited(tmp_path) as plane, ScriptedWorker(plane.as_("bot"), "n", "f") as worker:
        for _ in range(30):
            await worker.heartbeat()


async def test_a_client_of_ours_waits_and_goes_on(tmp_path: Path) -> None:
    async with limited(tmp_path) as plane:
        await use_up(plane.as_("one"))
        async with Client(plane.grpc_address, api_key="one") as client:
            assert await client.nodes() == []


async def test_the_server_says_what_it_takes(tmp_path: Path) -> None:
    async with limited(tmp_path) as plane:
        info = await plane.as_("one").call(plane.server.GetServerInfo, GetServerInfoRequest())

    assert info.limits.requests_per_second == 1
