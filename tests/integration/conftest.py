"""A control plane for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from support.plane import Plane, config_for, running_plane
from support.storage import Storage


@pytest.fixture
async def plane(storage: Storage) -> AsyncIterator[Plane]:
    async with running_plane(config_for(storage)) as running:
        yield running
