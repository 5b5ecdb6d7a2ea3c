"""Hands queued executions to connected workers, and notices what is lost or late."""

from __future__ import annotations

__all__ = ["Dispatcher"]

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from agentfield.dispatch.background import POLL_SECONDS, until_stored
from agentfield.dispatch.ends import follow_ends
from agentfield.dispatch.link import Handling, Link, Welcome
from agentfield.dispatch.places import Places
from agentfield.executions.engine import Topic, announce
from agentfield.executions.model import Execution
from agentfield.executions.ports import Hints
from agentfield.executions.work import MAX_CLAIM, Acceptance, Rejoined, Running, WorkStore
from agentfield.identity import Caller
from agentfield.ids import new_id
from agentfield.telemetry import WORKERS

MAX_ACCEPTS = 10_000
ACCEPT_SECONDS = 0.01
"""How long acceptances are collected: what ends within it needs no write of its own for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Left:
    """A connection that is over. Without a link: it broke while the store took it in."""

    worker_id: str
    connection_id: str
    link: Link | None = None


class Dispatcher:
    """The connected workers of this process, and the work that goes to them."""

    def __init__(
        self,
        *,
        store: WorkStore,
        hints: Hints,
        clock: Callable[[], int],
        replica_id: Callable[[], str],
    ) -> None:
        self._store = store
        self._replica_id = replica_id
        self._clock = clock
        self._hints = hints
        self._links: dict[str, Link] = {}
        self.places = Places(self._links, store=store, hints=hints)
        self._accepts: asyncio.Queue[Acceptance] = asyncio.Queue(MAX_ACCEPTS)
        self._leaving: asyncio.Queue[_Left] = asyncio.Queue()
        self._claiming = asyncio.Lock()
        """Held from a claim until it is in an outbox: what a worker was not sent is then known."""
        self._draining = False

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hand_out(), name="dispatch-claims")
            ends = follow_ends(self._links, store=self._store, hints=self._hints)
            tasks.create_task(ends, name="dispatch-ends")
            tasks.create_task(self._store_accepts(), name="dispatch-accepts")
            tasks.create_task(self._see_off(), name="dispatch-leaving")
            tasks.create_task(self.places.run(), name="dispatch-places")

    async def connect(
        self,
        worker_id: str,
        *,
        max_executions: int,
        running: Sequence[Running],
        caller: Caller,
        max_sessions: int = 0,
        handlers: Sequence[Handling] = (),
    ) -> Link:
        """Take a worker in; a connection it had before ends."""
        connection_id = new_id("conn")
        older = self._links.get(worker_id)
        if older is not None:
            older.hold()
        try:
            rejoined = await self._store.connect(
                worker_id,
                connection_id,
                max_executions=max_executions,
                running=running,
                caller=caller,
                replica_id=self._replica_id(),
                max_sessions=max_sessions,
            )
        except asyncio.CancelledError:
            # The stream broke meanwhile, and the store may take the worker in all the same.
            self._leaving.put_nowait(_Left(worker_id=worker_id, connection_id=connection_id))
            raise
        finally:
            if older is not None:
                older.resume()
        self._close(worker_id)
        link = Link(
            worker_id=worker_id,
            connection_id=connection_id,
            node_id=rejoined.node_id,
            instance_id=rejoined.instance_id,
            max_executions=max_executions,
            running=running,
            session_names=rejoined.session_names,
            max_sessions=max_sessions,
            handlers=handlers,
        )
        return self._welcome(link, rejoined)

    def _welcome(self, link: Link, rejoined: Rejoined) -> Link:
        link.send(Welcome())
        for one in rejoined.forget:
            link.forget(one)
        if self._draining:
            link.drain()
            link.finish()
        self._links[link.worker_id] = link
        WORKERS.inc()
        announce(self._hints, rejoined.changed)
        self._hints.publish(Topic.QUEUE, link.node_id)
        return link

    def accepted(self, link: Link, running: Running) -> None:
        """Note that a worker has received an execution.

        It is stored soon: should the server die before, the worker lists it when it is back.
        """
        acceptance = Acceptance(worker_id=link.worker_id, running=running, at=self._clock())
        try:
            self._accepts.put_nowait(acceptance)
        except asyncio.QueueFull:
            return  # it shows as queued until its report, and counts as sent all the same

    def credit(self, link: Link, executions: int) -> None:
        """Note that a worker is ready for more."""
        link.credit(executions)
        self._hints.publish(Topic.QUEUE, link.node_id)

    async def drain(self, link: Link) -> None:
        """Give a worker no more work; what was not sent yet goes to others."""
        async with self._claiming:
            unsent = link.hold()
            try:
                changed = await self._store.drain(link.worker_id, unsent)
            finally:
                link.resume()
            link.drain()
        announce(self._hints, changed)

    def leave(self, link: Link) -> None:
        """Note that a worker's stream is over. Never waits, so that a dying rpc can call it."""
        link.close()
        left = _Left(worker_id=link.worker_id, connection_id=link.connection_id, link=link)
        self._leaving.put_nowait(left)

    async def deregister(self, node_id: str, worker_id: str, caller: Caller) -> None:
        """Forget a worker of a node, if there is such a one; what it runs is lost."""
        async with self._claiming:
            link = self._links.get(worker_id)
            unsent = link.hold() if link else []
            try:
                changed = await self._store.deregister(
                    node_id, worker_id, unsent=unsent, caller=caller
                )
            finally:
                if link is not None:
                    link.resume()
            if changed is not None:
                self._close(worker_id)
        announce(self._hints, changed or ())

    async def shut_down(self) -> None:
        """Tell every worker that this server goes; what they run goes on."""
        self._draining = True
        await self.send_on()

    async def send_on(self) -> None:
        """Have every worker connect again, here or elsewhere; what they run goes on."""
        async with self._claiming:
            unsent = [one for link in self._links.values() for one in link.hold()]
            await self._store.release(unsent)
            for link in self._links.values():
                link.drain()
                link.finish()
                link.resume()

    def _close(self, worker_id: str) -> None:
        link = self._links.pop(worker_id, None)
        if link is not None:
            WORKERS.dec()
            link.close()

    async def _hand_out(self) -> None:
        clock = asyncio.get_running_loop().time
        poll_at = clock() + POLL_SECONDS
        with self._hints.listen((Topic.QUEUE, None)) as listener:
            while True:
                hints = await listener.wait(max(poll_at - clock(), 0.0))
                node_ids: set[str] | None = {node_id for _, node_id in hints}
                if clock() >= poll_at:
                    node_ids, poll_at = None, clock() + POLL_SECONDS
                await until_stored(partial(self._claim_for, node_ids))

    async def _claim_for(self, node_ids: set[str] | None) -> None:
        """Hand out the work of these nodes; None stands for all."""
        async with self._claiming:
            links = {
                worker_id: link
                for worker_id, link in self._links.items()
                if link.may_take and (node_ids is None or link.node_id in node_ids)
            }
            if not links or self._draining:
                return
            offers = [link.offer() for link in links.values()]
            offers.sort(key=lambda offer: offer.credit, reverse=True)
            claims = await self._store.claim(offers)
            orphans = [e for e in claims if not self._send(links[e.worker_id or ""], e)]
            unsent = [Running(execution_id=e.execution_id, attempt=e.attempt) for e in orphans]
            announce(self._hints, await self._store.release(unsent))
        if len(claims) >= MAX_CLAIM:
            for link in links.values():
                self._hints.publish(Topic.QUEUE, link.node_id)

    def _send(self, link: Link, execution: Execution) -> bool:
        """Send an execution, unless its worker has left since it was claimed."""
        if self._links.get(link.worker_id) is not link or not link.may_receive:
            return False
        link.run(execution)
        return True

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
            left = await self._leaving.get()
            if left.link is not None and self._links.get(left.worker_id) is left.link:
                self._close(left.worker_id)
            if left.link is not None and left.link.for_good:
                for handling in left.link.handling:
                    self._hints.publish(
                        Topic.HANDLER_LOST, f"{handling.session_id} {handling.attempt}"
                    )
            await until_stored(partial(self._disconnect, left))

    async def _disconnect(self, left: _Left) -> None:
        async with self._claiming:
            changed = await self._store.disconnect(
                left.worker_id,
                left.connection_id,
                unsent=left.link.unsent() if left.link else [],
                for_good=left.link is not None and left.link.for_good,
            )
        announce(self._hints, changed)
