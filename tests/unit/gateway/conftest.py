from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from unit.gateway.scripted_transport import Gateway, ScriptedTransport

from agentfield_gateway import GatewayConfig, build_app


@pytest.fixture
async def gateway_with() -> AsyncIterator[Callable[..., Awaitable[Gateway]]]:
    """Run a gateway with the settings given."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Gateway:
            plane = ScriptedTransport()
            app = build_app(plane, replace(GatewayConfig(), **settings))
            client = await stack.enter_async_context(TestClient(TestServer(app)))
            return Gateway(plane=plane, client=client)

        yield start


@pytest.fixture
async def gateway(gateway_with: Callable[..., Awaitable[Gateway]]) -> Gateway:
    return await gateway_with()
