"""Programs that are measured in a process of their own: ``empty``, and ``agent SERVER``."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import Any

import grpc

from agentfield import Agent
from agentfield.rpc.server import grpc_options
from agentfield.v1 import execution_pb2
from agentfield.v1 import execution_service_pb2 as pb

SERVICE = pb.DESCRIPTOR.services_by_name["ExecutionService"].full_name
ID = "0" * 26


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


async def empty(stop: asyncio.Event) -> None:
    """Serve the empty handler with the control plane's options and nothing around it."""
    server = grpc.aio.server(options=grpc_options(8 * 1024 * 1024))
    handler = grpc.unary_unary_rpc_method_handler(
        execute,
        request_deserializer=pb.ExecuteRequest.FromString,
        response_serializer=pb.ExecuteResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE, {"Execute": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        ready(grpc=f"127.0.0.1:{port}")
        await stop.wait()
    finally:
        await server.stop(1.0)


async def agent(stop: asyncio.Event, server: str) -> None:
    """Serve the skill ``agent.echo``."""
    app = Agent("agent", server=server)

    @app.skill
    async def echo(text: str) -> str:
        return text

    async with app.serving(drain_timeout=1.0):
        ready()
        await stop.wait()


def ready(**addresses: str) -> None:
    """Tell the parent."""
    print(json.dumps({"event": "ready", **addresses}), flush=True)


async def main(kind: str, server: str = "") -> None:
    """Run until a signal comes."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await (agent(stop, server) if kind == "agent" else empty(stop))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
