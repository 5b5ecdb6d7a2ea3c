"""Hands queued executions to connected workers, and notices what is lost or late."""

from __future__ import annotations

__all__ = ["Dispatcher", "until_stored"]

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from agentfield.dispatch.link import Link, Welcome
from agentfield.executions.engine import Topic, announce
from agentfield.executions.ports import Hints
from agentfield.executions.work import Running, WorkStore
from agentfield.identity import Caller
from agentfield.telemetry import WORKERS
from agentfield.v1 import errors

T = TypeVar("T")
log = logging.getLogger("agentfield.dispatch")

POLL_SECONDS = 1.0
"""How long a lost hint may delay work."""
MAX_ACCEPTS = 10_000
ACCEPT_SECONDS = 0.01
"""How long acceptances are collected: what ends within it needs no write of its own for them."""


async def until_stored(attempt: Callable[[], Awaitable[T]]) -> T:
    """Repeat a background write until the store can take it."""
    while True:
        try:
            return await attempt()
        except errors.StoreUnavailable:
            log.warning("store unavailable, background work waits")
            await asyncio.sleep(POLL_SECONDS)


class Dispatcher:
    """The connected workers of this process, and the work that goes to them."""

    def __init__(self, *, store: WorkStore, hints: Hints) -> None:
        self._store = store
        self._hints = hints
        self._links: dict[str, Link] = {}
        self._accepts: asyncio.Queue[Running] = asyncio.Queue(MAX_ACCEPTS)
        self._leaving: asyncio.Queue[tuple[str, Link | None]] = asyncio.Queue()
        self._draining = False

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hand_out(), name="dispatch-claims")
            tasks.create_task(self._follow_ends(), name="dispatch-ends")
            tasks.create_task(self._store_accepts(), name="dispatch-accepts")
            tasks.create_task(self._see_off(), name="dispatch-leaving")

    async def connect(
        self, worker_id: str, *, max_executions: int, running: Sequence[Running], caller: Caller
    ) -> Link:
        """Take a worker in; a connection it had before ends."""
        self._replace(worker_id)
        try:
            rejoined = await self._store.connect(worker_id, max_executions, running, caller)
        except asyncio.CancelledError:
            # The stream broke while the store was taking the worker in, and may still do so.
            self._leaving.put_nowait((worker_id, None))
            raise
        self._replace(worker_id)
        link = Link(
            worker_id=worker_id,
            node_id=rejoined.node_id,
            instance_id=rejoined.instance_id,
            functions=rejoined.functions,
            max_executions=max_executions,
            running=running,
        )
        link.send(Welcome())
        for one in rejoined.forget:
            link.stop(one.execution_id)
        if self._draining:
            link.drain()
            link.finish()
        self._links[worker_id] = link
        WORKERS.inc()
        announce(self._hints, rejoined.changed)
        self._hints.publish(Topic.QUEUE, link.node_id)
        return link

    def _replace(self, worker_id: str) -> None:
        older = self._links.pop(worker_id, None)
        if older is not None:
            WORKERS.dec()
            older.close()

    def accepted(self, running: Running) -> None:
        """Note that a worker has received an execution.

        It is stored soon: should the server die before, the worker lists it when it is back.
        """
        try:
            self._accepts.put_nowait(running)
        except asyncio.QueueFull:
            return  # the report that follows says the same

    def credit(self, link: Link, executions: int) -> None:
        """Note that a worker is ready for more."""
        link.credit(executions)
        self._hints.publish(Topic.QUEUE, link.node_id)

    async def drain(self, link: Link) -> None:
        """Give a worker no more work; what was not sent yet goes to others."""
        unsent = link.drain()
        await self._store.drain(link.worker_id)
        announce(self._hints, await self._store.release(unsent))

    def leave(self, link: Link) -> None:
        """Note that a worker's stream is over. Never waits, so that a dying rpc can call it."""
        link.close(for_good=link.for_good)
        self._leaving.put_nowait((link.worker_id, link))

    async def deregister(self, node_id: str, worker_id: str) -> None:
        """Forget a worker of a node, if there is such a one; what it runs is lost."""
        if await self._store.node_of(worker_id) != node_id:
            return
        link = self._links.get(worker_id)
        unsent = link.take_unsent() if link else []
        self._replace(worker_id)
        announce(self._hints, await self._store.disconnect(worker_id, unsent=unsent, for_good=True))

    async def shut_down(self) -> None:
        """Tell every worker that this server goes; what they run goes on."""
        self._draining = True
        unsent = [one for link in self._links.values() for one in link.drain()]
        for link in self._links.values():
            link.finish()
        await self._store.release(unsent)

    async def _hand_out(self) -> None:
        with self._hints.listen((Topic.QUEUE, None)) as listener:
            while True:
                hinted = {node_id for _, node_id in await listener.wait(POLL_SECONDS)}
                await until_stored(partial(self._claim_for, hinted))

    async def _claim_for(self, node_ids: set[str]) -> None:
        links = {
            worker_id: link
            for worker_id, link in self._links.items()
            if link.may_take and (not node_ids or link.node_id in node_ids)
        }
        if not links or self._draining:
            return
        offers = sorted((x.offer() for x in links.values()), key=lambda o: o.credit, reverse=True)
        orphans: list[Running] = []
        for execution in await self._store.claim(offers):
            worker_id = execution.worker_id or ""
            link = links[worker_id]
            if self._links.get(worker_id) is link and link.may_receive:
                link.run(execution)
            else:
                orphans.append(
                    Running(execution_id=execution.execution_id, attempt=execution.attempt)
                )
        if orphans:
            announce(self._hints, await self._store.release(orphans))

    async def _follow_ends(self) -> None:
        with self._hints.listen((Topic.STOPPED, None), (Topic.DONE, None)) as listener:
            while True:
                for topic, execution_id in await listener.wait():
                    for link in self._links.values():
                        if topic == Topic.STOPPED:
                            link.stop(execution_id)
                        else:
                            link.done(execution_id)

    async def _store_accepts(self) -> None:
        while True:
            group = [await self._accepts.get()]
            await asyncio.sleep(ACCEPT_SECONDS)
            while not self._accepts.empty():
                group.append(self._accepts.get_nowait())
            for execution in await until_stored(partial(self._store.accept, group)):
                self._hints.publish(Topic.EXECUTION, execution.execution_id)

    async def _see_off(self) -> None:
        while True:
            worker_id, link = await self._leaving.get()
            if self._links.get(worker_id) is not link:
                continue  # a newer connection has settled everything
            if link is not None:
                del self._links[worker_id]
                WORKERS.dec()
            unsent = link.take_unsent() if link else []
            for_good = link is not None and link.for_good
            await until_stored(partial(self._disconnect, worker_id, unsent, for_good=for_good))

    async def _disconnect(
        self, worker_id: str, unsent: Sequence[Running], *, for_good: bool
    ) -> None:
        changed = await self._store.disconnect(worker_id, unsent=unsent, for_good=for_good)
        announce(self._hints, changed)
