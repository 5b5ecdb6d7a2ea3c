"""Calls against real processes: the control plane and its agents, with a provider in this one."""

from __future__ import annotations

__all__ = ["CutWire", "VoiceWorld", "voice_world"]

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

from agentfield.simulator import Script, Simulator
from agentfield.simulator import running as simulating
from agentfield.simulator.journal import Entry
from support.processes import PATIENCE, Process, World, world
from support.storage import Storage

KEY = "sk-never-shown-to-anybody"


class VoiceWorld:
    """A control plane and agents as processes, and the simulator that they take for the provider."""

    def __init__(self, processes: World, simulator: Simulator) -> None:
        self.processes = processes
        self.simulator = simulator
        self.servers: list[Process] = []
        """The control planes that were started, the newest last."""

    @property
    def grpc_address(self) -> str:
        return self.processes.grpc

    @property
    def http_address(self) -> str:
        return self.processes.http

    async def server(self, *flags: str, grace: float = 2.0) -> Process:
        """Start the control plane, again on the same addresses and data."""
        self.servers.append(await self.processes.server(*flags, grace=grace))
        return self.servers[-1]

    async def agents(self, *scripts: str) -> list[Process]:
        """Start agents of tests/e2e/agents and wait until they are connected."""
        return [await self.processes.agent(script) for script in scripts]

    async def desk(self, *flags: str, script: Script | None = None) -> None:
        """Start a control plane and the nodes ``desk`` and ``stock``."""
        self.simulator.script = script or Script()
        await self.server(*flags)
        await self.agents("stock.py", "desk.py")

    def notes(self) -> list[dict[str, Any]]:
        """Return what handlers noted."""
        return [json.loads(line) for line in self.processes.runs()]

    async def until_noted(self, **facts: Any) -> dict[str, Any]:
        """Wait until a handler has noted something with these facts, and return all of it."""

        def found() -> list[dict[str, Any]]:
            return [each for each in self.notes() if facts.items() <= each.items()]

        await self.processes.until(lambda: bool(found()))
        return found()[0]

    async def rest(self, verb: str, path: str, **options: Any) -> tuple[int, Any]:
        """Return status and JSON of an answer of the gateway."""
        async with (
            aiohttp.ClientSession(f"http://{self.http_address}") as http,
            http.request(verb, path, **options) as response,
        ):
            is_json = response.content_type == "application/json"
            return response.status, await (response.json() if is_json else response.text())

    async def af(self, *arguments: str) -> tuple[int, str, str]:
        """Run the command line; return its exit code, stdout and stderr."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "agentfield_cli",
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"AGENTFIELD_GRPC": self.grpc_address},
        )
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate()
        return process.returncode or 0, out.decode(), err.decode()

    async def hung_up(self) -> Entry:
        """Wait until the provider has been asked to end a call."""
        async with asyncio.timeout(PATIENCE):
            return await self.simulator.journal.until(is_hang_up)


def is_hang_up(entry: Entry) -> bool:
    """Return whether this is a request to end a call."""
    return str(entry.body.get("path", "")).endswith("/hangup")


@asynccontextmanager
async def voice_world(
    folder: Path, script: Script | None = None, storage: Storage | None = None
) -> AsyncIterator[VoiceWorld]:
    """Give a test a provider, and processes that call it; leave none behind."""
    async with simulating(script=script) as simulator, world(folder, storage) as processes:
        before = {name: os.environ.get(name) for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL")}
        os.environ |= {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": simulator.base_url}
        try:
            yield VoiceWorld(processes, simulator)
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


class CutWire:
    """A TCP relay between an agent and its control plane that can be cut and mended."""

    def __init__(self, to: str) -> None:
        self._host, _, port = to.rpartition(":")
        self._port = int(port)
        self._writers: set[asyncio.StreamWriter] = set()
        self._whole = True
        self.address = ""

    @asynccontextmanager
    async def laid(self) -> AsyncIterator[CutWire]:
        """Relay while the block runs."""
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            self.cut()

    def cut(self) -> None:
        """Break every connection, and take no new one."""
        self._whole = False
        for writer in list(self._writers):
            writer.transport.abort()

    def mend(self) -> None:
        """Take connections again."""
        self._whole = True

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._whole:
            writer.transport.abort()
            return
        onward, back = await asyncio.open_connection(self._host, self._port)
        self._writers |= {writer, back}
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_copy(reader, back))
                tasks.create_task(_copy(onward, writer))
        finally:
            self._writers -= {writer, back}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
