"""The log of a session, followed: what is stored, then what happens, without a gap or a repeat."""

from __future__ import annotations

__all__ = ["LAST", "Feeds"]

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from itertools import count

from agentfield.executions.engine import Topic
from agentfield.executions.ports import Hints
from agentfield.live.passing import Passing, key_of, passing_of
from agentfield.live.streams import Streams
from agentfield.sessions.model import Event
from agentfield.sessions.ports import Store
from agentfield.v1 import errors

MAX_WAITING = 1024
"""Events in memory for one reader; one that is slower reads the log instead."""
MAX_LIVE_WAITING = 256
"""From here on events that are not in the log are dropped."""
PAGE = 500
RECHECK_SECONDS = 30.0
"""How long a reader trusts that it was told of everything."""
POLL_SECONDS = 1.0
"""The same at least, where the session runs on another replica."""
LAST = "session.ended"
"""The last event of every log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _News:
    """What has come for a reader since it last looked."""

    events: Sequence[Event] = ()
    """Of a session that runs here, all of them."""
    passing: Sequence[Passing] = ()
    """Of one that runs on another replica, what is not in the log."""
    look: bool = False
    """There may be more in the log."""


class _Reader:
    """What one reader has not read yet."""

    def __init__(self) -> None:
        self._waiting: deque[Event] = deque(maxlen=MAX_WAITING)
        self._passing: list[Passing] = []
        self._look = False
        self._some = asyncio.Event()
        self.sent_on = False

    def add(self, event: Event) -> None:
        if event.sequence or len(self._waiting) < MAX_LIVE_WAITING:
            self._waiting.append(event)
        self._some.set()

    def pass_on(self, passing: Passing) -> None:
        if len(self._passing) < MAX_LIVE_WAITING:
            self._passing.append(passing)
        self._some.set()

    def send_on(self) -> None:
        self.sent_on = True
        self._some.set()

    def look(self) -> None:
        self._look = True
        self._some.set()

    async def take(self, seconds: float) -> _News:
        """Return what has come, waiting a while for something."""
        try:
            async with asyncio.timeout(seconds):
                await self._some.wait()
        except TimeoutError:
            return _News(look=True)
        news = _News(events=tuple(self._waiting), passing=self._passing, look=self._look)
        self._some.clear()
        self._waiting.clear()
        self._passing, self._look = [], False
        return news


class Feeds:
    """The readers of all sessions of this process."""

    def __init__(self, store: Store, streams: Streams, hints: Hints) -> None:
        self._store = store
        self._streams = streams
        self._hints = hints
        self._readers: dict[str, set[_Reader]] = {}
        self._runs_here: Callable[[str], bool] = lambda _: True
        self._numbers = count(1)
        self._draining = False

    async def run(self, runs_here: Callable[[str], bool]) -> None:
        """Let those who read what happens on another replica know of it, until cancelled."""
        self._runs_here = runs_here
        with self._hints.listen((Topic.LOGGED, None), (Topic.PASSING, None)) as listener:
            while True:
                for topic, key in await listener.wait():
                    passing = passing_of(key) if topic == Topic.PASSING else None
                    session_id = passing.session_id if passing else key
                    if runs_here(session_id):
                        continue
                    for reader in self._readers.get(session_id, ()):
                        reader.pass_on(passing) if passing else reader.look()

    def announce(self, session_id: str, news: Sequence[Event | None], *, after: int) -> None:
        """Tell those who read on other replicas what is to be stored and published next.

        ``news`` is that in its order; None stands for an event of the log, which they look for when
        it is stored, from the number ``after`` on. The others they are told here.
        """
        watched = self._streams.is_watched_elsewhere(session_id)
        for event in news:
            if event is None:
                after += 1
            elif watched:
                passing = Passing(session_id=session_id, after=after, event=event)
                self._hints.publish(Topic.PASSING, key_of(passing, next(self._numbers)))
        if None in news and self._streams.is_followed_elsewhere(session_id):
            self._hints.publish(Topic.LOGGED, session_id)

    def publish(self, session_id: str, events: Iterable[Event]) -> None:
        """Hand events to those who read now; events of the log in its order."""
        for reader in self._readers.get(session_id, ()):
            for event in events:
                reader.add(event)

    def drain(self) -> None:
        """Send every reader to another server, or to this one's next start."""
        self._draining = True
        for session_id in self._readers:
            self.send_on(session_id)

    def send_on(self, session_id: str) -> None:
        """Send the readers of one session on, to whoever goes on with it."""
        for reader in self._readers.get(session_id, ()):
            reader.send_on()

    async def follow(self, session_id: str, *, after: int) -> AsyncGenerator[Event, None]:
        """Yield the log from after a number on, and what happens, to its last event.

        Raises ServerDraining when the server goes down, or lets the session go.
        """
        with self._reading(session_id) as reader:
            cursor = after
            news = _News(look=True)
            while True:
                async with aclosing(self._more(session_id, cursor, news)) as more:
                    async for event in more:
                        cursor = event.sequence or cursor
                        yield event
                        if event.type == LAST:
                            return
                may_be_over = news.look or any(event.type == LAST for event in news.events)
                if may_be_over and await self._is_over(session_id, cursor):
                    return
                if reader.sent_on or self._draining:
                    raise errors.ServerDraining(
                        "This server goes on without this session; watch again from the last "
                        "event.",
                        retry_after=0.5,
                    )
                trusted = RECHECK_SECONDS
                if not self._runs_here(session_id):
                    trusted = max(POLL_SECONDS, self._hints.trusted_seconds)
                news = await reader.take(trusted)

    async def _more(self, session_id: str, cursor: int, news: _News) -> AsyncGenerator[Event, None]:
        """Yield the news that follow on the cursor; from the log what they leave out.

        What is in no log and comes when the reader is further on already is dropped.
        """
        for event in news.events:
            if event.sequence > cursor + 1:
                break
            if not event.sequence or event.sequence == cursor + 1:
                cursor = event.sequence or cursor
                yield event
        passing = deque(news.passing)
        ahead = any(event.sequence > cursor for event in news.events)
        if news.look or ahead or any(each.after > cursor for each in passing):
            async with aclosing(self._stored(session_id, cursor)) as stored:
                async for event in stored:
                    while passing and passing[0].after < event.sequence:
                        if (each := passing.popleft()).after == cursor:
                            yield each.event
                    cursor = event.sequence
                    yield event
        for each in passing:
            if each.after >= cursor:
                yield each.event

    async def _is_over(self, session_id: str, cursor: int) -> bool:
        position = await self._store.position(session_id)
        if position is None or position.deleted:
            return True
        return position.is_over and position.last_sequence <= cursor

    async def _stored(self, session_id: str, after: int) -> AsyncGenerator[Event, None]:
        while events := await self._store.events(session_id, after=after, limit=PAGE):
            for event in events:
                yield event
            after = events[-1].sequence
            if len(events) < PAGE:
                return

    @contextmanager
    def _reading(self, session_id: str) -> Iterator[_Reader]:
        reader = _Reader()
        self._readers.setdefault(session_id, set()).add(reader)
        try:
            yield reader
        finally:
            readers = self._readers[session_id]
            readers.discard(reader)
            if not readers:
                del self._readers[session_id]
