"""A server that is started again and again."""

from __future__ import annotations

__all__ = ["server"]

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agentfield.app import App, running
from agentfield.config import read_config
from agentfield.simulator.tasks import owned_tasks
from agentfield.testing import (
    Script,
    ScriptedWorker,
    Simulator,
    connected,
    simulator,
)
from agentfield_sdk import Client
from support.live import PLAIN, VOICE, Desk
from support.ports import held_port
from support.tasks import meanwhile

STAYS = Script(tells_of_leaving=False)
SHUTDOWN_SECONDS = 4.5


class Server:
    """A server in a task of its own, started again and again at one address on one folder."""

    def __init__(self, folder: Path, port: int, provider: Simulator) -> None:
        self.address = f"127.0.0.1:{port}"
        self.folder = folder
        self.stop = asyncio.Event()
        self._provider = provider

    @asynccontextmanager
    async def up(self, *flags: str) -> AsyncIterator[Desk]:
        """Run it and be connected to it, until the block is left or it is told to stop."""
        self.stop = asyncio.Event()
        ready: asyncio.Future[App] = asyncio.get_running_loop().create_future()
        async with owned_tasks() as tasks:
            serving = tasks.create_task(self._serve(ready, flags))
            try:
                async with (
                    connected(await ready, simulator=self._provider) as plane,
                    Client(self.address) as client,
                    meanwhile() as beside,
                ):
                    worker = ScriptedWorker(plane, "desk", "find", sessions=[VOICE, PLAIN])
                    yield Desk(
                        plane=plane,
                        provider=self._provider,
                        worker=worker,
                        client=client,
                        beside=beside,
                    )
                    self.stop.set()
                    async with asyncio.timeout(SHUTDOWN_SECONDS):
                        await serving
            finally:
                self.stop.set()

    async def _serve(self, ready: asyncio.Future[App], flags: tuple[str, ...]) -> None:
        ours = [f"--grpc-bind={self.address}", "--http-bind=none", f"--data-dir={self.folder}"]
        seen = {"OPENAI_BASE_URL": self._provider.base_url, "OPENAI_API_KEY": "simulated"}
        async with running(read_config([*ours, *flags], seen)) as app:
            ready.set_result(app)
            await self.stop.wait()

    def sql(self, statement: str, *values: Any) -> list[Any]:
        """Change or read what is on disk while the server is down."""
        (file,) = self.folder.glob("*.db")
        with sqlite3.connect(file) as connection:
            rows = connection.execute(statement, values).fetchall()
        connection.close()
        return rows


@asynccontextmanager
async def server(folder: Path, script: Script = STAYS) -> AsyncIterator[Server]:
    with held_port() as port:
        async with simulator(script=script) as provider:
            yield Server(folder, port, provider)
