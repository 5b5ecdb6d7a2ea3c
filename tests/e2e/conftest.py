"""Real processes for each test, and real browsers for each module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from support.browser import Browsers, browsing
from support.processes import World, world
from support.storage import Storage

from agentfield import Client


@pytest.fixture(name="world")
async def _world(tmp_path: Path, storage: Storage) -> AsyncIterator[World]:
    async with world(tmp_path, storage) as processes:
        yield processes


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    async with Client(world.grpc) as connected:
        yield connected


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browsers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browsers]:
    """For tests that run in their module's event loop."""
    async with browsing(tmp_path_factory.mktemp("browsers")) as opened:
        yield opened
