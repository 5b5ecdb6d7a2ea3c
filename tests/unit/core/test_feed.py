"""What a reader of a session gets that runs on another replica: the log, and between it what passes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, cast

import pytest
from support.tasks import meanwhile

from agentfield.bus import InProcessBus
from agentfield.executions.engine import Topic
from agentfield.live.feed import MAX_LIVE_WAITING, Feeds
from agentfield.live.passing import Passing, key_of, passing_of
from agentfield.live.streams import Streams
from agentfield.sessions.model import Event
from agentfield.sessions.ports import Position, Store

pytestmark = pytest.mark.unit

ID = "sess_1"


class Log:
    """The store of one session, as far as it is read."""

    def __init__(self) -> None:
        self.last = 0
        self.reads = 0

    async def events(self, _: str, *, after: int, limit: int) -> list[Event]:
        self.reads += 1
        return [
            Event(type="logged", data={}, sequence=n)
            for n in range(after + 1, min(self.last, after + limit) + 1)
        ]

    async def position(self, _: str) -> Position:
        return Position(last_sequence=self.last, is_over=False, deleted=False)


class Watched:
    """Who follows the session: somebody on another replica, or nobody."""

    def __init__(self) -> None:
        self.elsewhere = True

    def is_watched_elsewhere(self, _: str) -> bool:
        return self.elsewhere

    def is_followed_elsewhere(self, _: str) -> bool:
        return self.elsewhere


class Site:
    """A reader's feeds, and what another replica tells of the session."""

    def __init__(self) -> None:
        self.log = Log()
        self.bus = InProcessBus()
        self.watched = Watched()
        streams = cast("Streams", self.watched)
        self.feeds = Feeds(cast("Store", self.log), streams, self.bus)
        self.owner = Feeds(cast("Store", self.log), streams, self.bus)
        self.feed = self.feeds.follow(ID, after=0)

    def logs(self, number: int, *, tells: bool = True) -> None:
        self.log.last = number
        if tells:
            self.bus.publish(Topic.LOGGED, ID)

    def passes(self, *words: str, after: int) -> None:
        events = [Event(type="turn.delta", data={"delta": word}) for word in words]
        self.owner.announce(ID, events, after=after)

    async def read(self, count: int) -> list[Any]:
        """Return so many numbers of the log and words that passed."""
        found = []
        async with asyncio.timeout(5):
            for _ in range(count):
                event = await anext(self.feed)
                found.append(event.sequence or event.data["delta"])
        return found


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    async with meanwhile() as beside, aclosing(site.feed):
        beside.begin(site.feeds.run(lambda _: False))
        site.logs(2)
        assert await site.read(2) == [1, 2]
        yield site


def test_what_passes_comes_out_of_its_key_as_it_went_in() -> None:
    event = Event(type="turn.delta", data={"delta": "Grüße", "n": [1]}, at=5)
    passing = Passing(session_id=ID, after=3, event=event)

    assert passing_of(key_of(passing, 1)) == passing
    assert key_of(passing, 1) != key_of(passing, 2)


async def test_what_passes_comes_between_the_events_of_the_log_that_it_was_between(
    site: Site,
) -> None:
    site.passes("How ", "many?", after=2)
    site.logs(3)
    site.passes("Seven.", after=3)

    assert await site.read(4) == ["How ", "many?", 3, "Seven."]


async def test_what_passes_within_one_commit_keeps_its_place_in_it(site: Site) -> None:
    pieces = [Event(type="turn.delta", data={"delta": word}) for word in ("a", "b", "c")]
    site.owner.announce(ID, [pieces[0], None, pieces[1], None, pieces[2]], after=2)
    site.logs(4, tells=False)

    assert await site.read(5) == ["a", 3, "b", 4, "c"]


async def test_two_pieces_that_say_the_same_are_two(site: Site) -> None:
    site.passes("no ", "no ", "no ", after=2)

    assert await site.read(3) == ["no "] * 3


async def test_the_log_is_not_read_for_what_only_passes(site: Site) -> None:
    before = site.log.reads
    site.passes("a", after=2)

    assert (await site.read(1), site.log.reads) == (["a"], before)


async def test_what_passes_waits_for_the_events_before_it(site: Site) -> None:
    site.logs(4, tells=False)
    site.passes("late hint", after=4)

    assert await site.read(3) == [3, 4, "late hint"]


async def test_what_passes_when_the_reader_is_further_on_is_dropped(site: Site) -> None:
    site.logs(3)
    assert await site.read(1) == [3]
    site.passes("too late", after=2)
    site.passes("in time", after=3)

    assert await site.read(1) == ["in time"]


async def test_of_what_passes_a_slow_reader_gets_the_first_and_all_of_the_log(site: Site) -> None:
    words = [str(number) for number in range(MAX_LIVE_WAITING + 50)]
    site.passes(*words, after=2)
    site.logs(3)

    found = await site.read(MAX_LIVE_WAITING + 1)

    assert found == [*words[:MAX_LIVE_WAITING], 3]


async def test_where_nobody_watches_elsewhere_nothing_is_told(site: Site) -> None:
    site.watched.elsewhere = False
    with site.bus.listen((Topic.PASSING, None)) as listener:
        site.passes("to nobody", after=2)
        assert await listener.wait(0) == ()
