"""A store of work that claims what it is told to."""

from __future__ import annotations

__all__ = ["FakeWorkStore", "dispatching", "execution", "running"]

import asyncio
from collections.abc import Mapping, Sequence

from agentfield.bus import InProcessBus
from agentfield.dispatch.dispatcher import Dispatcher
from agentfield.executions.model import Execution, Kind
from agentfield.executions.work import Acceptance, Offer, Rejoined, Running
from agentfield.identity import ANYONE, Caller
from agentfield.v1 import errors


def execution(number: int, attempt: int = 1) -> Execution:
    return Execution(
        execution_id=f"exec_{number}",
        run_id="run",
        node_id="n",
        function="f",
        kind=Kind.SKILL,
        created_at=0,
        expires_at=1,
        attempt=attempt,
        worker_id="reg_1",
    )


def running(number: int, attempt: int = 1) -> Running:
    return Running(execution_id=f"exec_{number}", attempt=attempt)


class FakeWorkStore:
    """Claims what it is told to; remembers what it is asked."""

    def __init__(self) -> None:
        self.claims: list[list[Execution]] = []
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.released: list[Running] = []
        self.still_active: frozenset[str] = frozenset()
        self.disconnected: asyncio.Queue[tuple[str, list[Running], bool]] = asyncio.Queue()
        self.connections: list[str] = []
        self.order: list[str] = []
        self.session_names: dict[str, frozenset[str]] = {}
        self.attempts: dict[str, int] = {}
        """Of handlers that run."""

    async def see_off_gone(self) -> None: ...

    async def connect(
        self,
        worker_id: str,
        connection_id: str,
        *,
        max_executions: int,
        running: Sequence[Running],
        caller: Caller,
        replica_id: str,
        max_sessions: int = 0,
    ) -> Rejoined:
        self.asked.set()
        await self.go_on.wait()
        if caller is not ANYONE:
            raise errors.PermissionDenied("not yours")
        self.connections.append(connection_id)
        return Rejoined(
            node_id="n",
            instance_id=worker_id.replace("reg_", "w"),
            session_names=self.session_names.get(worker_id, frozenset({"talk"})),
        )

    async def claim(self, offers: Sequence[Offer]) -> list[Execution]:
        self.asked.set()
        await self.go_on.wait()
        return self.claims.pop(0) if self.claims else []

    async def accept(self, acceptances: Sequence[Acceptance]) -> list[Execution]:
        return []

    async def release(self, unsent: Sequence[Running]) -> list[Execution]:
        self.released += unsent
        self.order += ["release"] if unsent else []
        return []

    async def drain(self, worker_id: str, unsent: Sequence[Running]) -> list[Execution]:
        return []

    async def deregister(
        self, node_id: str, worker_id: str, *, unsent: Sequence[Running], caller: Caller
    ) -> list[Execution] | None:
        return []

    async def disconnect(
        self, worker_id: str, connection_id: str, *, unsent: Sequence[Running], for_good: bool
    ) -> list[Execution]:
        self.order.append("disconnect")
        self.disconnected.put_nowait((worker_id, list(unsent), for_good))
        return []

    async def active(self, worker_ids: Sequence[str]) -> frozenset[str]:
        return self.still_active

    async def handled(self, session_ids: Sequence[str]) -> Mapping[str, int]:
        return {one: self.attempts[one] for one in session_ids if one in self.attempts}

    async def give_up(self, *, grace: float) -> list[Execution]:
        return []

    async def forget(self, *, lease: float) -> None: ...


def dispatching(store: FakeWorkStore, bus: InProcessBus) -> Dispatcher:
    return Dispatcher(store=store, hints=bus, clock=lambda: 0, replica_id=lambda: "repl_1")
