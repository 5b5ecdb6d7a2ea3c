"""Real processes for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.processes import World, world

from agentfield import Client


@pytest.fixture(name="world")
async def _world(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as processes:
        yield processes


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    async with Client(world.grpc) as connected:
        yield connected
