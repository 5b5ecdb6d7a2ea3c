"""The lease of a process: renewed, lost, and taken anew under another id."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from agentfield.bus import InProcessBus
from agentfield.executions.engine import Topic
from agentfield.live import leases
from agentfield.live.leases import Lease
from agentfield.sessions.sharing import Replicas
from agentfield.v1 import errors

pytestmark = pytest.mark.unit


class Leases:
    """Where leases are kept, as far as a lease asks for it."""

    def __init__(self) -> None:
        self.trouble = 0
        """How many of the next renewals fail."""
        self.gone: set[str] = set()
        self.joined: list[str] = []
        self.left: list[str] = []
        self.renewed = 0
        self._changed = asyncio.Event()

    async def join(self, replica_id: str, *, lease: float, alone: bool) -> None:
        self.joined.append(replica_id)
        self._note()

    async def renew(self, replica_id: str, *, lease: float) -> bool:
        if self.trouble:
            self.trouble -= 1
            raise errors.StoreUnavailable("not now")
        self.renewed += 1
        self._note()
        return replica_id not in self.gone

    async def leave(self, replica_id: str) -> None:
        self.left.append(replica_id)
        self._note()

    async def until(self, *, renewed: int = 0, joined: int = 0) -> None:
        while self.renewed < renewed or len(self.joined) < joined:
            self._changed.clear()
            await self._changed.wait()

    def _note(self) -> None:
        self._changed.set()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.001)
    monkeypatch.setattr(leases, "RETRY_SECONDS", 0.001)


@asynccontextmanager
async def held(store: Leases, bus: InProcessBus, *, alone: bool = False) -> AsyncIterator[Lease]:
    """Hold a lease while the block runs; ``store.left`` notes ``let go`` and ``anew`` as well."""

    async def let_go() -> None:
        store.left.append("let go")

    async def begin_anew() -> None:
        store.left.append("anew")

    lease = Lease(cast("Replicas", store), bus, alone=alone)
    await lease.join()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(lease.run(let_go, begin_anew))
        yield lease
        running.cancel()


async def test_a_lease_outlives_a_store_that_is_away_for_a_moment() -> None:
    store = Leases()
    async with held(store, InProcessBus()) as lease:
        store.trouble = 3
        await store.until(renewed=2)
        assert lease.is_held
    assert (store.joined, store.left) == ([lease.replica_id], [])


async def test_a_lease_that_has_run_out_is_let_go_and_another_one_taken() -> None:
    store, bus = Leases(), InProcessBus()
    with bus.listen((Topic.UNOWNED, None)) as listener:
        async with held(store, bus) as lease:
            first = lease.replica_id
            store.gone.add(first)
            await store.until(joined=2)
            assert await listener.wait(10)
            assert lease.is_held
            assert lease.replica_id != first
    assert store.joined == [first, lease.replica_id]
    assert store.left == ["let go", first, "anew"]


async def test_a_lease_that_cannot_be_renewed_is_let_go_before_it_runs_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leases, "HOLD_SECONDS", 0.05)
    store = Leases()
    async with held(store, InProcessBus()) as lease:
        store.trouble = 10_000
        await store.until(joined=2)
        store.trouble = 0
        first, second = store.joined[0], lease.replica_id
    assert store.left[:2] == ["let go", first]
    assert first != second


async def test_a_lease_that_was_given_back_is_not_taken_again() -> None:
    store = Leases()
    async with held(store, InProcessBus()) as lease:
        await store.until(renewed=1)
        await lease.leave()
        assert not lease.is_held
    assert (len(store.joined), store.left) == (1, [lease.replica_id])


async def test_who_has_the_database_alone_renews_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "HOLD_SECONDS", 0.0)
    store = Leases()
    async with held(store, InProcessBus(), alone=True) as lease:
        assert lease.is_held
    assert store.renewed == 0
