"""A phone call to two agents, from the first ring to a clean stop: ``python examples/demo.py``.

Every part is a process of its own, as in production: the control plane, the agents, and in place
of the provider its simulator. The caller's voice is real audio over WebRTC.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from show_call import show

from agentfield import AgentFieldError
from agentfield.simulator import Simulator
from agentfield.simulator.tasks import owned_tasks
from agentfield.testing import VoiceCall, calling

EXAMPLES = Path(__file__).parent
PATIENCE = 15.0
EXPECTED_TURNS = [
    ("user", "Where is my hat?"),
    ("agent", "I looked: it left the warehouse today."),
    ("user", "And my lamp?"),
    ("agent", "Your lamp comes on Tuesday."),
]
LOOKED = ("support.resolve_voice_turn", ("orders.find",))
EXPECTED_WORKFLOW = ("support.voice", LOOKED, LOOKED)


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
        async with asyncio.timeout(PATIENCE), self._changed:
            while True:
                for line in self.log.read_text().splitlines() if self.log.exists() else ():
                    if words in line:
                        return line
                if self._ended:
                    raise RuntimeError(f"the {self.name} ended too early")
                await self._changed.wait()

    async def stop(self) -> None:
        """Stop it as an operator does, and insist that it exits with 0."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            code = await self.process.wait()
        print(f"  {self.name} stopped with exit code {code}")
        if code != 0:
            raise RuntimeError(f"the {self.name} exited with {code}")

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@asynccontextmanager
async def program(
    name: str, *arguments: str | Path, folder: Path, **environment: str
) -> AsyncIterator[Program]:
    """Run a Python program and stop it at the end; show what it printed if anything goes wrong."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=PIPE, stderr=STDOUT, env=os.environ | environment
    )
    running = Program(process, name, folder / f"{name}.log")
    async with owned_tasks() as tasks:
        tasks.create_task(running.keep_log(), name=name)
        try:
            yield running
            await running.stop()
        except BaseException:
            print(f"\n--- what the {name} printed ---", file=sys.stderr)
            print(running.log.read_text() if running.log.exists() else "", file=sys.stderr)
            raise
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the control plane is."""

    grpc_address: str
    http_address: str
    simulator: Simulator | None = None


@asynccontextmanager
async def system(folder: Path) -> AsyncIterator[Addresses]:
    """Run everything there is on the other side of the caller."""
    script = ["--script", str(EXAMPLES / "demo_script.json")]
    async with program(
        "provider", "-m", "agentfield.simulator", *script, folder=folder
    ) as provider:
        simulated = json.loads(await provider.prints('"event": "ready"'))
        print(f"  The provider, which is a simulator, is at {simulated['base_url']}.")
        flags = ["--grpc-bind=127.0.0.1:0", "--http-bind=127.0.0.1:0"]
        keys = {"OPENAI_BASE_URL": simulated["base_url"], "OPENAI_API_KEY": "no-key-is-needed"}
        server = ["-m", "agentfield_cli", "server", *flags, f"--data-dir={folder / 'data'}"]
        async with program("control plane", *server, folder=folder, **keys) as plane:
            ready = json.loads(await plane.prints('"event": "ready"'))
            print(f"  The control plane is at {ready['grpc']} (gRPC), {ready['http']} (REST).")
            there = {"AGENTFIELD_GRPC": ready["grpc"]}
            orders, support = EXAMPLES / "orders_agent.py", EXAMPLES / "voice_agent.py"
            async with (
                program("orders agent", orders, folder=folder, **there) as first,
                program("support agent", support, folder=folder, **there) as second,
            ):
                await first.prints('"message":"connected"')
                await second.prints('"message":"connected"')
                print("  The agents 'orders' and 'support' are connected.")
                yield Addresses(grpc_address=ready["grpc"], http_address=ready["http"])
                print("\nStopping\n")


async def converse(call: VoiceCall) -> None:
    """Speak twice: to the handler, and to the model that leads after it."""
    print("  The call is connected. The caller speaks ...")
    call.speak()
    await call.hears_voice()
    print("  ... and hears the agent: its handler answers.")
    await call.until("agent.heard")
    await call.until("handler.returned")
    print("  The handler has returned: from now on the model leads. The caller speaks again ...")
    call.speak()
    await call.until("tool.finished", status="succeeded")
    print("  ... and the model calls a tool before it answers.")
    await call.until("agent.heard")
    await call.hang_up()
    print("  The caller has hung up.")


async def check(call: VoiceCall) -> None:
    """Raise RuntimeError if anything is missing that should have happened."""
    for what, found, expected in (
        ("conversation", await call.turns(), EXPECTED_TURNS),
        ("tool calls", [tool.status for tool in await call.tools()], ["succeeded"]),
        ("workflow", (await call.workflow()).shape, EXPECTED_WORKFLOW),
        ("end", await call.ended(), "client_hangup"),
    ):
        if found != expected:
            raise RuntimeError(f"the {what} should be\n  {expected}\nand is\n  {found}")


async def main() -> None:
    """Start everything, call, show what came of it, and stop everything."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with tempfile.TemporaryDirectory() as folder:
        print("Starting\n")
        async with system(Path(folder)) as addresses:
            print("\nCalling support.voice\n")
            async with calling(addresses, "support.voice", host="127.0.0.1") as call:
                await converse(call)
                await show(call)
                await check(call)
    print("\nDone.")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except (RuntimeError, AssertionError, AgentFieldError) as error:
        sys.exit(f"\nThe demo failed: {error}")
