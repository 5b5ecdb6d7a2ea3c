"""What a test begins with: a control plane, its store alone, an agent, a call's links."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from support.http_agents import Agent, listening
from support.links import Hands
from support.plane import Plane, config_for, running_plane
from support.stage import Stage, staged
from support.storage import Storage


@pytest.fixture
async def plane(storage: Storage) -> AsyncIterator[Plane]:
    async with running_plane(config_for(storage)) as running:
        yield running


@pytest.fixture
async def stage(storage: Storage) -> AsyncIterator[Stage]:
    """Return a store without a server."""
    async with staged(storage) as stored:
        yield stored


@pytest.fixture
async def agent() -> AsyncIterator[Agent]:
    """Return an HTTP server that is an agent; a test says what it answers."""
    async with listening(Agent()) as started:
        yield started


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    """Return the hands of the server that starts next."""
    return Hands(monkeypatch)
