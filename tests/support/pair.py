"""Two servers as processes on one PostgreSQL database, with one provider and one set of agents."""

from __future__ import annotations

__all__ = ["Pair", "voice_pair"]

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentfield.simulator import Simulator
from agentfield.store.database import Database
from agentfield.store.postgres import PostgresDatabase
from support.postgres import Postgres
from support.processes import Process, World, world
from support.storage import Storage
from support.voice import VoiceWorld, voice_world


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Agents prefer the first server, callers the second; both know both addresses."""

    first: Process
    second: Process
    voice: VoiceWorld
    """The world of the first server, the agents and the provider."""
    other: World
    database: Database

    @property
    def grpc_address(self) -> str:
        """What callers connect to."""
        return f"{self.other.grpc},{self.voice.grpc_address}"

    @property
    def http_address(self) -> str:
        """The gateway that callers use."""
        return self.other.http

    @property
    def simulator(self) -> Simulator:
        return self.voice.simulator

    async def rows(self, sql: str, *values: Any) -> Sequence[Any]:
        """Read the database."""
        return await self.database.read(lambda c: c.execute(sql, values).fetchall())

    async def owner(self, session_id: str) -> tuple[str, int]:
        """Return who owns a session, and in which epoch."""
        sql = "SELECT owner, owner_epoch FROM sessions WHERE session_id = ?"
        ((owner, epoch),) = await self.rows(sql, session_id)
        return owner, epoch


@asynccontextmanager
async def voice_pair(
    folder: Path, postgres: Postgres, *agents: str, grace: float = 20.0
) -> AsyncIterator[Pair]:
    """Give a test its servers, a database of their own, and agents; leave none behind."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        url = await enter(postgres.database())
        voice = await enter(voice_world(folder, storage=Storage(folder=folder / "a", url=url)))
        (folder / "other").mkdir()
        other = await enter(world(folder / "other", Storage(folder=folder / "b", url=url)))
        pair = Pair(
            first=await voice.server(grace=grace),
            second=await other.server(grace=grace),
            voice=voice,
            other=other,
            database=await enter(PostgresDatabase(url)),
        )
        for script in agents:
            both = f"{voice.grpc_address},{other.grpc}"
            await voice.processes.agent(script, grpc=both)
        yield pair
