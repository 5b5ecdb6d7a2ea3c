"""An agent that is held up."""

from __future__ import annotations

__all__ = ["ANSWER", "Gate", "holding"]

import asyncio

from unit.sdk.fake_plane import FakePlane

from agentfield.v1.execution_service_pb2 import ReportExecutionResponse
from agentfield.v1.node_service_pb2 import RegisterNodeResponse
from agentfield_sdk import Agent

ANSWER = ReportExecutionResponse()


class Gate:
    """Holds the executions of a test until it opens."""

    def __init__(self) -> None:
        self.entered = asyncio.Semaphore(0)
        self.open = asyncio.Event()
        self.stopped = asyncio.Event()

    async def __call__(self) -> str:
        self.entered.release()
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.stopped.set()
            raise
        return "through"


def holding(plane: FakePlane, gate: Gate) -> Agent:
    """Return an agent one of whose functions waits for a gate."""
    plane.answers("RegisterNode", RegisterNodeResponse(registration_id="reg_1"))
    plane.answers("ReportExecution", ANSWER)
    app = Agent("node", server=plane.address, version="7", max_executions=3)

    @app.skill
    async def double(n: int) -> int:
        return 2 * n

    @app.skill
    async def fail() -> None:
        raise asyncio.CancelledError

    @app.reasoner("hold", tags=["slow"], idempotent=True)
    async def wait_for_it() -> str:
        """Wait."""
        return await gate()

    return app
