from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from unit.sdk.fake_plane import FakePlane, running

from agentfield.v1 import agent_service_pb2 as pb
from agentfield.v1.node_service_pb2 import RegisterNodeResponse
from agentfield_sdk import Agent, Connection


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


@pytest.fixture
def app(plane: FakePlane) -> Agent:
    """Return an agent that can register and report of handlers."""
    plane.answers("RegisterNode", RegisterNodeResponse(registration_id="reg_1"))
    plane.answers("ReportHandler", pb.ReportHandlerResponse())
    return Agent("node", server=plane.address)
