"""Real processes for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
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
