from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from unit.sdk.fake_plane import FakePlane, running

from agentfield_sdk import Connection


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AGENTFIELD_GRPC", raising=False)
    monkeypatch.delenv("AGENTFIELD_API_KEY", raising=False)


@pytest.fixture
async def plane() -> AsyncIterator[FakePlane]:
    async with running() as plane:
        yield plane


@pytest.fixture
async def connection(plane: FakePlane) -> AsyncIterator[Connection]:
    async with Connection(plane.address) as connection:
        yield connection
