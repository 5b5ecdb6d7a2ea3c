"""Real processes: a control plane and agents, started, killed and started again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from support.ports import held_port
from support.storage import Storage

AGENTS = Path(__file__).parent.parent / "e2e" / "agents"
EXISTING = Path(sys.prefix) / "existing/bin/python"
"""Where ``agentfield`` is the existing SDK; ``make setup`` puts it there."""
PATIENCE = 30.0


class Process:
    """A child process and what it printed."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self.log = log

    async def line(self) -> str:
        """Return the next line of its output."""
        if self._process.stdout is None:
            raise AssertionError("its output is not read")
        async with asyncio.timeout(PATIENCE):
            line = await self._process.stdout.readline()
        if not line:
            raise AssertionError(f"it ended: {self.log.read_text()}")
        return line.decode().strip()

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._process.kill()
        await self._process.wait()

    async def terminate(self) -> int:
        """SIGTERM, and return its exit code."""
        self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            return await self._process.wait()

    async def exit_code(self) -> int:
        """Wait until it ends by itself."""
        async with asyncio.timeout(PATIENCE):
            return await self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    @property
    def ended(self) -> bool:
        """Whether it is gone."""
        return self._process.returncode is not None

    async def close(self) -> None:
        """Make sure that it is gone."""
        if self._process.returncode is None:
            await self.kill()


@dataclass(frozen=True, slots=True, kw_only=True)
class Existing:
    """An agent that is built with the existing SDK."""

    process: Process
    node: str
    port: int
    output: Path
    """What it printed."""

    def serves(self) -> bool:
        """Return whether it listens, which it does once it has registered."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class World:
    """A folder, and the processes of one test that live in it."""

    def __init__(self, folder: Path, stack: AsyncExitStack, storage: Storage) -> None:
        self._folder = folder
        self._storage = storage
        self._stack = stack
        self._started = 0
        self.grpc = f"127.0.0.1:{self.port()}"
        self.http = f"127.0.0.1:{self.port()}"
        self.journal = folder / "journal"
        """Where agents note what they run: a line for each."""
        self.gate = folder / "gate"
        """What blocked functions wait for."""

    def port(self) -> int:
        """Return a port that nobody gets by chance until the test is over."""
        return self._stack.enter_context(held_port())

    async def server(self, *flags: str, grace: float = 2.0) -> Process:
        """Start the control plane with its gateway, on the same addresses and data each time."""
        process = await self._start(
            "-m",
            "agentfield",
            f"--grpc-bind={self.grpc}",
            f"--http-bind={self.http}",
            f"--data-dir={self._storage.folder}",
            f"--agent-grace={grace}",
            *flags,
        )
        assert json.loads(await process.line())["event"] == "ready"
        return process

    async def gateway(self, *flags: str) -> Process:
        """Start a gateway of its own, for a control plane without one."""
        process = await self._start(
            "-m", "agentfield_gateway", f"--grpc={self.grpc}", f"--http-bind={self.http}", *flags
        )
        assert json.loads(await process.line())["event"] == "ready"
        return process

    async def agent(self, script: str, *arguments: str, grpc: str = "") -> Process:
        """Start an agent of tests/e2e/agents and wait until it is connected.

        ``grpc`` is where it finds the control plane, if not where that is.
        """
        process = await self._start(str(AGENTS / script), *arguments, grpc=grpc)
        assert await process.line() == "connected"
        return process

    async def existing(self, node: str, *, port: int = 0, key: str = "") -> Existing:
        """Start an agent that is built with the existing SDK, and wait until it can be called.

        It goes on at the same address if it is given the port of an earlier one.
        """
        port = port or self.port()
        log = self._folder / f"{node}-{self._started}.out"
        process = await self._start(
            str(AGENTS / "existing.py"),
            node,
            str(port),
            python=EXISTING,
            output=log,
            AGENTFIELD_SERVER=f"http://{self.http}",
            AGENTFIELD_API_KEY=key,
        )
        agent = Existing(process=process, node=node, port=port, output=log)
        await self.until(lambda: agent.serves() or process.ended)
        assert not process.ended, log.read_text() + process.log.read_text()
        return agent

    async def program(self, *command: str) -> Process:
        """Start any other Python program, with the address of the control plane."""
        return await self._start(*command)

    def runs(self) -> list[str]:
        """Return what agents noted."""
        return self.journal.read_text().splitlines() if self.journal.exists() else []

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something outside this process is so."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.01)

    async def _start(
        self,
        *command: str,
        grpc: str = "",
        python: Path | None = None,
        output: Path | None = None,
        **variables: str,
    ) -> Process:
        self._started += 1
        log = self._folder / f"{self._started}.log"
        environment = os.environ | {
            "AGENTFIELD_GRPC": grpc or self.grpc,
            "JOURNAL": str(self.journal),
            "GATE": str(self.gate),
            "AGENTFIELD_DATABASE_URL": self._storage.url,
            "PYTHONUNBUFFERED": "1",
            **variables,
        }
        with ExitStack() as files:
            # What nobody reads must not fill a pipe.
            pipe = files.enter_context(output.open("wb")) if output else asyncio.subprocess.PIPE
            child = await asyncio.create_subprocess_exec(
                python or sys.executable,
                *command,
                stdout=pipe,
                stderr=files.enter_context(log.open("wb")),
                env=environment,
            )
        process = Process(child, log)
        self._stack.push_async_callback(process.close)
        return process


@asynccontextmanager
async def world(folder: Path, storage: Storage | None = None) -> AsyncIterator[World]:
    """Give a test its processes, and leave none behind.

    ``storage`` is where the server keeps its data: a folder of this test if nothing else is said.
    """
    async with AsyncExitStack() as stack:
        yield World(folder, stack, storage or Storage(folder=folder / "data"))
