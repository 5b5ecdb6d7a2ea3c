"""Agents that are HTTP servers."""

from __future__ import annotations

__all__ = ["MOST", "Agent", "listening", "reason_of", "register", "report"]

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from agentfield.v1 import execution_pb2, node_service_pb2
from agentfield.v1 import execution_service_pb2 as es
from agentfield.v1.error_reason_pb2 import ErrorReason
from support.plane import Plane

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
NAMES = ("think", "again")
MOST = 100_000


class Agent:
    """An HTTP server that answers what a test tells it, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answer: Answer = _nothing
        self.asked: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.cancelled: list[str] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/_internal/"):
            self.cancelled.append(request.path.split("/")[3])
            return web.json_response({"cancelled": True})
        self.asked.append(request)
        self.bodies.append(await request.read())
        return await self.answer(request)

    def answers(self, status: int = 200, body: bytes = b"null", **headers: str) -> None:
        """Answer everything like this."""

        async def answer(_: web.Request) -> web.StreamResponse:
            plain = {"Content-Type": "application/json"} | headers
            return web.Response(status=status, body=body, headers=plain)

        self.answer = answer


async def _nothing(_: web.Request) -> web.StreamResponse:
    return web.json_response(None)


@asynccontextmanager
async def listening(agent: Agent, port: int = 0) -> AsyncIterator[Agent]:
    app = web.Application(client_max_size=10 * MOST)
    app.router.add_route("*", "/{path:.*}", agent.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    agent.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield agent
    finally:
        await runner.cleanup()


async def register(plane: Plane, url: str, instance_id: str = "one", **facts: Any) -> Any:
    request = node_service_pb2.RegisterNodeRequest(
        node_id="n", instance_id=instance_id, base_url=url, **facts
    )
    for name in NAMES:
        request.functions.add(name=name, kind=execution_pb2.FUNCTION_KIND_REASONER)
    request.functions.add(name="count", kind=execution_pb2.FUNCTION_KIND_SKILL)
    return await plane.call(plane.nodes.RegisterNode, request)


def reason_of(execution: execution_pb2.Execution) -> str:
    """Return the reason of a failure as it is spelled on the wire."""
    return ErrorReason.Name(execution.error_reason).removeprefix("ERROR_REASON_")


async def report(plane: Plane, execution_id: str, **facts: Any) -> Any:
    request = es.ReportExecutionRequest(execution_id=execution_id, **facts)
    return await plane.call(plane.executions.ReportExecution, request)
