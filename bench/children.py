"""Programs that are measured in a process of their own: ``python bench/children.py KIND ...``.

``empty``; ``collector``; ``agent SERVER``; ``voice SERVER``; ``harbour SERVER``;
``streams SERVER COUNT``.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import grpc
from aiohttp import web

from agentfield import Agent, RealtimeSession
from agentfield.rpc.server import grpc_options
from agentfield.v1 import agent_service_pb2, errors, execution_pb2
from agentfield.v1 import execution_service_pb2 as pb
from agentfield.v1.agent_service_pb2_grpc import AgentServiceStub

SERVICE = pb.DESCRIPTOR.services_by_name["ExecutionService"].full_name
AGENTS = agent_service_pb2.DESCRIPTOR.services_by_name["AgentService"].full_name
ID = "0" * 26
SAYS = "Yes."
SILENCE_MS = 500
"""After which a spoken turn is over."""
FIRST_BERTHS = (21, 51)
"""Without an agent and with one: what they say takes as long, and is never the same."""


async def execute(request: pb.ExecuteRequest, _: Any) -> pb.ExecuteResponse:
    """Answer at once with a message of the usual size."""
    return pb.ExecuteResponse(
        execution_id=f"exec_{ID}",
        run_id=f"run_{ID}",
        workflow_id=f"run_{ID}",
        target=request.target,
        status=execution_pb2.EXECUTION_STATUS_SUCCEEDED,
        result=request.input,
    )


async def handle(
    _request: agent_service_pb2.HandleSessionRequest, _: Any
) -> AsyncIterator[agent_service_pb2.HandleSessionResponse]:
    """Open a stream and leave it open."""
    yield agent_service_pb2.HandleSessionResponse(opened=agent_service_pb2.HandlerOpened())
    await asyncio.Event().wait()


async def empty(stop: asyncio.Event) -> None:
    """Serve empty handlers with the control plane's options and nothing around them."""
    server = grpc.aio.server(options=grpc_options(8 * 1024 * 1024))
    handler = grpc.unary_unary_rpc_method_handler(
        execute,
        request_deserializer=pb.ExecuteRequest.FromString,
        response_serializer=pb.ExecuteResponse.SerializeToString,
    )
    stream = grpc.unary_stream_rpc_method_handler(
        handle,
        request_deserializer=agent_service_pb2.HandleSessionRequest.FromString,
        response_serializer=agent_service_pb2.HandleSessionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(SERVICE, {"Execute": handler}),
            grpc.method_handlers_generic_handler(AGENTS, {"HandleSession": stream}),
        )
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        ready(grpc=f"127.0.0.1:{port}")
        await stop.wait()
    finally:
        await server.stop(1.0)


async def collector(stop: asyncio.Event) -> None:
    """Take spans, and do nothing with them."""

    async def take(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(content_type="application/x-protobuf")

    app = web.Application()
    app.router.add_post("/v1/traces", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ready(http=f"127.0.0.1:{runner.addresses[0][1]}")
        await stop.wait()
    finally:
        await runner.cleanup()


async def agent(stop: asyncio.Event, server: str) -> None:
    """Serve the skill ``agent.echo``."""
    app = Agent("agent", server=server)

    @app.skill
    async def echo(text: str) -> str:
        return text

    async with app.serving(drain_timeout=1.0):
        ready()
        await stop.wait()


async def voice(stop: asyncio.Event, server: str) -> None:
    """Serve two sessions: of one a handler says something to every turn, the other has none."""
    app = Agent("voice", server=server, max_sessions=1000)

    @app.session("led", provider="openai", transport="webrtc")
    async def led(session: RealtimeSession) -> None:
        with suppress(errors.SessionEnded):
            while True:
                await session.input()
                await session.say(SAYS)

    app.add_session("model", provider="openai", transport="webrtc")
    async with app.serving(drain_timeout=1.0):
        ready()
        await stop.wait()


async def harbour(stop: asyncio.Event, server: str) -> None:
    """Serve a session whose model has a tool, which answers differently every time."""
    app = Agent("harbour", server=server)
    numbers = itertools.count(FIRST_BERTHS[1])

    @app.skill
    async def find_ship(question: str) -> dict[str, str]:  # noqa: ARG001 - words do not matter
        """Where a ship is."""
        return {"spoken_response": berth(next(numbers))}

    app.add_session(
        "voice",
        provider="openai",
        transport="webrtc",
        tools=["harbour.find_ship"],
        turn_detection={"type": "server_vad", "silence_duration_ms": SILENCE_MS},
    )
    async with app.serving(drain_timeout=1.0):
        ready()
        await stop.wait()


def berth(number: int) -> str:
    """Return what has not been said before, so that nobody has it ready."""
    return f"It is at berth {number}."


async def streams(stop: asyncio.Event, server: str, count: str) -> None:
    """Hold streams of one channel open, and read them."""
    async with grpc.aio.insecure_channel(server) as channel, asyncio.TaskGroup() as tasks:
        stub = AgentServiceStub(channel)
        opened: asyncio.Queue[None] = asyncio.Queue()

        async def read() -> None:
            async for _ in stub.HandleSession(agent_service_pb2.HandleSessionRequest()):
                opened.put_nowait(None)

        readers = [tasks.create_task(read()) for _ in range(int(count))]
        for _ in readers:
            await opened.get()
        ready()
        await stop.wait()
        for reader in readers:
            reader.cancel()


def ready(**addresses: str) -> None:
    """Tell the parent."""
    print(json.dumps({"event": "ready", **addresses}), flush=True)


KINDS: Mapping[str, Callable[..., Awaitable[None]]] = {
    "empty": empty,
    "collector": collector,
    "agent": agent,
    "voice": voice,
    "harbour": harbour,
    "streams": streams,
}


async def main(kind: str, *arguments: str) -> None:
    """Run until a signal comes."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await KINDS[kind](stop, *arguments)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
