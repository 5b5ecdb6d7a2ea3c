"""The processes that are measured: started for a benchmark, gone after it."""

from __future__ import annotations

__all__ = [
    "Addresses",
    "collector",
    "connected",
    "control_plane",
    "echo_agent",
    "empty_server",
    "harbour_agent",
    "simulator",
    "stream_reader",
    "voice_agent",
    "voice_provider",
]

import asyncio
import json
import os
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

CHILDREN = Path(__file__).with_name("children.py")
START_SECONDS = 20.0
STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where a process listens, and its id."""

    grpc: str = ""
    http: str = ""
    pid: int = 0


@asynccontextmanager
async def control_plane(
    data_dir: Path | None = None,
    *,
    http: bool = False,
    provider: str = "",
    variables: Mapping[str, str] | None = None,
) -> AsyncIterator[Addresses]:
    """Run a control plane; without a data folder it gets an empty one.

    ``provider`` is the address of what it takes for OpenAI; ``variables`` are further ones of its
    environment.
    """
    variables = dict(variables or {})
    if provider:
        variables |= {"OPENAI_BASE_URL": f"{provider}/v1", "OPENAI_API_KEY": "any"}
    with tempfile.TemporaryDirectory() as folder:
        binds = ["--grpc-bind", "127.0.0.1:0", "--http-bind", "127.0.0.1:0" if http else "none"]
        data = ["--data-dir", str(data_dir or folder)]
        # All load comes from one caller, and the limit of one caller is not what is measured.
        rate = ["--rate-limit", "1000000"]
        command = ("-m", "agentfield", *binds, *data, *rate, "--log-level", "error")
        async with _child(*command, variables=variables) as addresses:
            yield addresses


@asynccontextmanager
async def simulator(script: Mapping[str, Any]) -> AsyncIterator[Addresses]:
    """Run the simulated provider with a script."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "script.json")
        path.write_text(json.dumps(script))  # noqa: ASYNC240 - before anything is measured
        async with _child("-m", "agentfield.simulator", "--script", str(path)) as addresses:
            yield addresses


@asynccontextmanager
async def voice_provider() -> AsyncIterator[Addresses]:
    """Run the provider that hears, decides and speaks on this machine."""
    async with _child("-m", "agentfield.simulator", "--voice") as addresses:
        yield addresses


@asynccontextmanager
async def harbour_agent(server: str) -> AsyncIterator[Addresses]:
    """Run an agent with the session ``harbour.voice`` and its tool, once it is connected."""
    async with _child(str(CHILDREN), "harbour", server) as addresses:
        yield addresses


@asynccontextmanager
async def empty_server() -> AsyncIterator[Addresses]:
    """Run the yardstick: the same messages and options, and handlers that do nothing."""
    async with _child(str(CHILDREN), "empty") as addresses:
        yield addresses


@asynccontextmanager
async def collector() -> AsyncIterator[Addresses]:
    """Run what takes spans and forgets them."""
    async with _child(str(CHILDREN), "collector") as addresses:
        yield addresses


@asynccontextmanager
async def echo_agent(server: str) -> AsyncIterator[None]:
    """Run an agent with the skill ``agent.echo``, and wait until it is connected."""
    async with _child(str(CHILDREN), "agent", server):
        yield


@asynccontextmanager
async def voice_agent(server: str) -> AsyncIterator[Addresses]:
    """Run an agent with the sessions ``voice.led`` and ``voice.model``, once it is connected."""
    async with _child(str(CHILDREN), "voice", server) as addresses:
        yield addresses


@asynccontextmanager
async def stream_reader(server: str, count: int) -> AsyncIterator[Addresses]:
    """Run a process that holds so many streams of the empty server open, once all are."""
    async with _child(str(CHILDREN), "streams", server, str(count)) as addresses:
        yield addresses


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[grpc.aio.Channel]:
    """Open a channel of its own, with room for large messages."""
    options = [
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        # Channels to one address would otherwise share a connection.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        yield channel


@asynccontextmanager
async def _child(
    *arguments: str, variables: Mapping[str, str] | None = None
) -> AsyncIterator[Addresses]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AGENTFIELD_")}
    environment |= variables or {}
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=PIPE, env=environment
    )
    try:
        yield await _ready(process)
    finally:
        await _stop(process)


async def _ready(process: Process) -> Addresses:
    if process.stdout is None:
        raise RuntimeError("the child has no output")
    async with asyncio.timeout(START_SECONDS):
        line = await process.stdout.readline()
    if not line:
        raise RuntimeError("the child ended before it was ready")
    found = json.loads(line)
    return Addresses(grpc=found.get("grpc") or "", http=found.get("http") or "", pid=process.pid)


async def _stop(process: Process) -> None:
    try:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
