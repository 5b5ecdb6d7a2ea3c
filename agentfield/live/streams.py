"""Who follows which session, here and on other replicas.

What is followed here and runs elsewhere stands in the database, so that its owner knows; with the
lease of a replica that dies, its streams count no more.
"""

from __future__ import annotations

__all__ = ["Streams"]

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from agentfield.dispatch.background import until_stored
from agentfield.executions.engine import Topic
from agentfield.executions.ports import Hints
from agentfield.live.leases import Lease
from agentfield.sessions.sharing import Following, FollowRole

POLL_SECONDS = 1.0


class Streams:
    """Counts the streams that follow sessions."""

    def __init__(self, lease: Lease, hints: Hints) -> None:
        self._lease = lease
        self._hints = hints
        self._here: Counter[Following] = Counter()
        self._elsewhere: frozenset[Following] = frozenset()
        """Of sessions that run here."""
        self._sessions_elsewhere: frozenset[str] = frozenset()
        self._watched_elsewhere: frozenset[str] = frozenset()
        self._told: set[Following] = set()
        """What of it the database knows."""
        self._told_as = ""
        """Under which id it was told."""
        self._runs_here: Callable[[str], bool] = lambda _: True
        self._changed: Callable[[str], None] = lambda _: None

    @contextmanager
    def open(self, following: Following) -> Iterator[None]:
        """Note a stream while the block runs."""
        self._here[following] += 1
        self._note(following.session_id)
        try:
            yield
        finally:
            self._here[following] -= 1
            if not self._here[following]:
                del self._here[following]
            self._note(following.session_id)

    def has(self, following: Following) -> bool:
        """Return whether a session that runs here is followed so, from wherever."""
        return following in self._here or following in self._elsewhere

    def is_followed_elsewhere(self, session_id: str) -> bool:
        """Return whether other replicas are to be told what is new in a session."""
        return session_id in self._sessions_elsewhere

    def is_watched_elsewhere(self, session_id: str) -> bool:
        """Return whether on other replicas somebody watches it who is not its handler."""
        return session_id in self._watched_elsewhere

    async def run(self, runs_here: Callable[[str], bool], changed: Callable[[str], None]) -> None:
        """Keep the database and this process informed, until cancelled.

        ``changed`` is told the sessions that run here and may be followed by others than before.
        """
        self._runs_here, self._changed = runs_here, changed
        if self._lease.alone:
            return
        with self._hints.listen((Topic.FOLLOWED, None)) as listener:
            while True:
                await listener.wait(POLL_SECONDS)
                await until_stored(self._tell)
                for session_id in await until_stored(self._look):
                    changed(session_id)

    def _note(self, session_id: str) -> None:
        """Tell who has to know that streams have begun or ended."""
        if self._runs_here(session_id):
            self._changed(session_id)
        else:
            self._hints.publish(Topic.FOLLOWED, session_id)

    async def _tell(self) -> None:
        """Store what is followed here and runs elsewhere."""
        replica_id = self._lease.replica_id
        told = self._told if self._told_as == replica_id else set()
        wanted = {one for one in self._here if not self._runs_here(one.session_id)}
        begun, over = wanted - told, told - wanted
        if begun or over:
            for session_id in {following.session_id for following in begun | over}:
                self._hints.publish(Topic.FOLLOWED, session_id)
            await self._lease.store.follow(replica_id, begun=begun, over=over)
        self._told, self._told_as = wanted, replica_id

    async def _look(self) -> set[str]:
        """Read what runs here and is followed elsewhere; return the sessions where that changed."""
        before = self._elsewhere
        self._elsewhere = await self._lease.store.followed(self._lease.replica_id)
        self._sessions_elsewhere = frozenset(one.session_id for one in self._elsewhere)
        watches = (one for one in self._elsewhere if one.role is not FollowRole.HANDLER)
        self._watched_elsewhere = frozenset(one.session_id for one in watches)
        return {following.session_id for following in before ^ self._elsewhere}
