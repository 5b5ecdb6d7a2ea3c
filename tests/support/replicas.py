"""Two replicas in this process, on one database that either can be cut off from."""

from __future__ import annotations

__all__ = ["Cut", "Replica", "Site", "site"]

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from agentfield.app import App, serving
from agentfield.bus import PostgresBus
from agentfield.config import read_config
from agentfield.simulator import Script, Simulator
from agentfield.simulator.tasks import owned_tasks
from agentfield.store.database import Connection, Database, unavailable
from agentfield.testing import ControlPlane, ScriptedWorker, connected, simulator
from agentfield.v1 import session_pb2
from agentfield_sdk import Client
from support.live import PLAIN, SCRIPT, VOICE, Desk, Line
from support.storage import Storage
from support.tasks import meanwhile

T = TypeVar("T")


class Cut:
    """A database as one replica has it, and its way to the others: hints come with what is written."""

    is_exclusive = False

    def __init__(self, database: Database, peers: list[Cut]) -> None:
        self._database = database
        self._peers = peers
        self._hints: list[tuple[str, str]] = []
        self._heard: Callable[[str, str], None] = lambda *_: None
        self.now = database.now
        self.is_cut = False
        peers.append(self)

    async def write(self, run: Callable[[Connection], T], *, keys: Collection[str] = ()) -> T:
        """Write, unless it is cut off."""
        self._check()
        hints, self._hints = self._hints, []
        try:
            return await self._database.write(run, keys=keys)
        finally:
            self._deliver(hints)

    async def read(self, run: Callable[[Connection], T]) -> T:
        """Read, unless it is cut off."""
        self._check()
        return await self._database.read(run)

    def tell(self, topic: str, key: str) -> None:
        """Have a hint arrive with what is written next, at once if nothing is."""
        self._hints.append((topic, key))
        asyncio.get_running_loop().call_soon(self._flush)

    def attach(self, *, heard: Callable[[str, str], None], missed: Callable[[], None]) -> None:
        """Have hints of others told."""
        self._heard = heard

    def _flush(self) -> None:
        hints, self._hints = self._hints, []
        self._deliver(hints)

    def _deliver(self, hints: Sequence[tuple[str, str]]) -> None:
        for peer in self._peers:
            if peer is not self and not (peer.is_cut or self.is_cut):
                for hint in hints:
                    peer._heard(*hint)

    def _check(self) -> None:
        if self.is_cut:
            raise unavailable("it is cut off")


class Replica:
    """A server in a task of its own."""

    def __init__(self, folder: Path, database: Cut, provider: Simulator) -> None:
        self.database = database
        self._folder = folder
        self._provider = provider
        self._stop = asyncio.Event()

    @asynccontextmanager
    async def up(self, *flags: str) -> AsyncIterator[ControlPlane]:
        """Run it and be connected to it, until the block is left or it is told to stop."""
        ready: asyncio.Future[App] = asyncio.get_running_loop().create_future()
        async with owned_tasks() as tasks:
            self._serving = tasks.create_task(self._serve(ready, flags))
            try:
                async with connected(await ready, simulator=self._provider) as plane:
                    yield plane
            finally:
                self._stop.set()

    async def stop(self) -> None:
        """Stop it as SIGTERM does."""
        self._stop.set()
        await self._serving

    async def _serve(self, ready: asyncio.Future[App], flags: tuple[str, ...]) -> None:
        ours = ["--grpc-bind=127.0.0.1:0", "--http-bind=none", f"--data-dir={self._folder}"]
        seen = {"OPENAI_BASE_URL": self._provider.base_url, "OPENAI_API_KEY": "simulated"}
        config = read_config([*ours, *flags], seen)
        async with serving(config, self.database, PostgresBus(self.database)) as app:
            ready.set_result(app)
            await self._stop.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Two replicas with a desk at each; ``a`` has the worker ``w1`` of the node ``desk``."""

    a: Desk
    b: Desk
    first: Replica
    second: Replica
    database: Database

    def over(self, desk: Desk, line: Line) -> Line:
        """Return the same session as it is seen by way of a desk."""
        return Line(desk, line.started)

    async def owner(self, line: Line) -> tuple[str, int]:
        """Return who owns a session, and in which epoch."""
        sql = "SELECT owner, owner_epoch FROM sessions WHERE session_id = ?"
        row = await self.rows(sql, line.session_id)
        return row[0][0], row[0][1]

    async def rows(self, sql: str, *values: Any) -> list[Any]:
        """Read the database."""
        return await self.database.read(lambda c: c.execute(sql, values).fetchall())


@asynccontextmanager
async def site(
    storage: Storage,
    *flags: str,
    script: Script = SCRIPT,
    sessions: Sequence[session_pb2.SessionDeclaration] = (VOICE, PLAIN),
) -> AsyncIterator[Site]:
    """Give a test its replicas. Callers without media never leave by themselves."""
    peers: list[Cut] = []
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        provider = await enter(simulator(script=replace(script, tells_of_leaving=False)))
        database: Database = await enter(storage.open())
        beside = await enter(meanwhile())
        replicas, desks = [], []
        for number in (1, 2):
            replica = Replica(storage.folder, Cut(database, peers), provider)
            plane = await enter(replica.up(*flags))
            client = await enter(Client(plane.grpc_address))
            worker = ScriptedWorker(
                plane, "desk", "find", instance_id=f"w{number}", sessions=sessions
            )
            replicas.append(replica)
            desks.append(
                Desk(plane=plane, provider=provider, worker=worker, client=client, beside=beside)
            )
        await desks[0].worker.connect()
        yield Site(a=desks[0], b=desks[1], first=replicas[0], second=replicas[1], database=database)
