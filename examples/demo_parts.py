"""The parts of the demo: the provider, the control plane and the agents, each a process of its own."""

from __future__ import annotations

__all__ = ["Parts", "Program", "program", "starting"]

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from agentfield.simulator.tasks import owned_tasks

EXAMPLES = Path(__file__).parent
PATIENCE = 90.0
"""Seconds that a start or a stop may take on the busiest of machines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What is running, and where."""

    grpc: str
    http: str


class Program:
    """A process, and what it has printed."""

    def __init__(self, process: Process, name: str, log: Path) -> None:
        self.process = process
        self.name = name
        self.log = log
        self._changed = asyncio.Condition()
        self._ended = False

    async def keep_log(self) -> None:
        """Write down what it prints, until it ends."""
        with self.log.open("wb", buffering=0) as log:
            while self.process.stdout and (line := await self.process.stdout.readline()):
                log.write(line)
                await self._notify()
        self._ended = True
        await self._notify()

    async def prints(self, words: str) -> str:
        """Wait for a line with these words in it, and return it."""
        try:
            async with asyncio.timeout(PATIENCE), self._changed:
                while True:
                    for line in self.log.read_text().splitlines() if self.log.exists() else ():
                        if words in line:
                            return line
                    if self._ended:
                        raise RuntimeError(f"the {self.name} ended too early")
                    await self._changed.wait()
        except TimeoutError:
            raise RuntimeError(f"the {self.name} was not ready within {PATIENCE:g} s") from None

    async def stop(self) -> None:
        """Stop it as an operator does, and insist that it exits with 0."""
        with suppress(ProcessLookupError):  # it has ended by itself, which its exit code tells
            self.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(PATIENCE):
                code = await self.process.wait()
        except TimeoutError:
            raise RuntimeError(f"the {self.name} did not stop within {PATIENCE:g} s") from None
        print(f"  {self.name} stopped with exit code {code}", flush=True)
        if code != 0:
            raise RuntimeError(f"the {self.name} exited with {code}")

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@asynccontextmanager
async def program(
    name: str, *arguments: str | Path, folder: Path, **environment: str
) -> AsyncIterator[Program]:
    """Run a Python program and stop it at the end; show what it printed if anything goes wrong.

    Ctrl-C in the terminal does not reach it: whoever started it stops it.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments),
        stdout=PIPE,
        stderr=STDOUT,
        env=os.environ | environment,
        start_new_session=True,
    )
    running = Program(process, name, folder / f"{name}.log")
    async with owned_tasks() as tasks:
        tasks.create_task(running.keep_log(), name=name)
        try:
            yield running
            await running.stop()
        except (asyncio.CancelledError, BrokenPipeError):
            raise  # Ctrl-C, or nobody reads any more: nothing went wrong
        except BaseException:
            print(f"\n--- what the {name} printed ---", file=sys.stderr)
            print(running.log.read_text() if running.log.exists() else "", file=sys.stderr)
            raise
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


@asynccontextmanager
async def starting(folder: Path) -> AsyncIterator[Parts]:
    """Run everything there is on the other side of the caller; ``folder`` is for data and logs."""
    async with AsyncExitStack() as stack:

        async def start(name: str, *arguments: str | Path, **environment: str) -> Program:
            running = program(name, *arguments, folder=folder, **environment)
            return await stack.enter_async_context(running)

        provider = await start("provider", "-m", "agentfield.simulator", "--voice")
        simulated = json.loads(await provider.prints('"event": "ready"'))
        print(f"  The provider hears and speaks at {simulated['base_url']}, on this machine.")
        flags = ["--grpc-bind=127.0.0.1:0", "--http-bind=127.0.0.1:0"]
        keys = {"OPENAI_BASE_URL": simulated["base_url"], "OPENAI_API_KEY": "no-key-is-needed"}
        server = ["-m", "agentfield_cli", "server", *flags, f"--data-dir={folder / 'data'}"]
        plane = await start("control plane", *server, **keys)
        ready = json.loads(await plane.prints('"event": "ready"'))
        print(f"  The control plane is at {ready['grpc']} (gRPC), {ready['http']} (REST, page).")
        there = {"AGENTFIELD_GRPC": ready["grpc"]}
        for agent in ("orders", "voice"):
            started = await start(f"{agent} agent", EXAMPLES / f"{agent}_agent.py", **there)
            await started.prints('"message":"connected"')
        print("  The agents 'orders' and 'support' are connected.", flush=True)
        yield Parts(grpc=ready["grpc"], http=ready["http"])
        print("\nStopping\n", flush=True)
