"""Where handlers of sessions run: their places on the workers that are connected here."""

from __future__ import annotations

__all__ = ["Places"]

import asyncio
from collections.abc import Mapping

from agentfield.dispatch.background import until_stored
from agentfield.dispatch.link import Handling, Link
from agentfield.executions.engine import Topic
from agentfield.executions.ports import Hints
from agentfield.executions.work import WorkStore
from agentfield.sessions.ports import HandlerStart

LOOK_SECONDS = 30.0
"""How long a lost hint may keep a place."""


class Places:
    """The places of the connected workers."""

    def __init__(self, links: Mapping[str, Link], *, store: WorkStore, hints: Hints) -> None:
        self._links = links
        self._store = store
        self._hints = hints

    def available(self, node_id: str, name: str) -> bool:
        """Return whether a worker is connected that declares the session and has room."""
        return any(link.may_handle(node_id, name) for link in self._links.values())

    def place(self, start: HandlerStart) -> str | None:
        """Send a handler to the least busy worker that declares its session and has room.

        Returns the worker's instance id; None: there is no such worker.
        """
        links = self._links.values()
        able = [link for link in links if link.may_handle(start.node_id, start.name)]
        if not able:
            return None
        link = min(able, key=lambda link: link.handlers)
        link.handle(start)
        return link.instance_id

    def free(self, session_id: str, attempt: int) -> None:
        """Note that an attempt of a handler has ended: its place is free, wherever it is."""
        if not self._free(Handling(session_id=session_id, attempt=attempt)):
            self._hints.publish(Topic.HANDLER_OVER, f"{session_id} {attempt}")

    async def run(self) -> None:
        """Free what other replicas say is over, until cancelled."""
        clock = asyncio.get_running_loop().time
        look_at = clock() + LOOK_SECONDS
        with self._hints.listen((Topic.HANDLER_OVER, None)) as listener:
            while True:
                for _, key in await listener.wait(max(look_at - clock(), 0.0)):
                    session_id, _, attempt = key.partition(" ")
                    self._free(Handling(session_id=session_id, attempt=int(attempt)))
                if clock() >= look_at:
                    await until_stored(self._look)
                    look_at = clock() + LOOK_SECONDS

    async def _look(self) -> None:
        """Free what is over although no hint of it has arrived."""
        # Read before the store is asked: what is placed meanwhile is not in its answer.
        handling = [one for link in self._links.values() for one in link.handling]
        if handling:
            current = await self._store.handled([one.session_id for one in handling])
            for one in handling:
                if current.get(one.session_id) != one.attempt:
                    self._free(one)

    def _free(self, handling: Handling) -> bool:
        were_there = [link.free(handling) for link in self._links.values()]
        return any(were_there)
