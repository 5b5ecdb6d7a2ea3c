"""The threads in which speech is computed."""

from __future__ import annotations

import asyncio
import threading

import pytest

from agentfield.simulator.speech import SpeechBusy
from agentfield.simulator.speech.workers import Unwanted, Workers

pytestmark = pytest.mark.unit

PATIENCE = 10.0


class Work:
    """Work that goes on until nobody wants it."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.ended = threading.Event()

    def __call__(self, unwanted: Unwanted) -> str:
        self.begun.set()
        for _ in range(int(PATIENCE * 1000)):
            if unwanted():
                self.ended.set()
                return "unwanted"
            threading.Event().wait(0.001)
        return "never unwanted"

    async def begins(self) -> None:
        assert await asyncio.to_thread(self.begun.wait, PATIENCE)

    async def ends(self) -> None:
        assert await asyncio.to_thread(self.ended.wait, PATIENCE)


async def test_work_is_done_elsewhere_and_its_errors_come_back() -> None:
    async with Workers("ears", threads=1, most=2) as workers:
        assert await workers.do(lambda _: threading.current_thread().name) == "speech-ears_0"
        with pytest.raises(ZeroDivisionError):
            await workers.do(lambda _: 1 / 0)


async def test_work_that_nobody_waits_for_stops() -> None:
    work = Work()
    async with Workers("ears", threads=1, most=2) as workers, asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(workers.do(work))
        await work.begins()
        waiting.cancel()
        await work.ends()


async def test_two_are_served_at_once() -> None:
    together = threading.Barrier(2, timeout=PATIENCE)
    async with Workers("ears", threads=2, most=2) as workers, asyncio.TaskGroup() as tasks:
        for _ in range(2):
            tasks.create_task(workers.do(lambda _: together.wait()))


async def test_what_cannot_wait_is_refused() -> None:
    work = Work()
    async with Workers("mouth", threads=1, most=2) as workers, asyncio.TaskGroup() as tasks:
        under_way = [tasks.create_task(workers.do(work)) for _ in range(2)]
        await work.begins()
        with pytest.raises(SpeechBusy, match="the mouth of the local voice has 2 pieces of work"):
            await workers.do(work)
        for each in under_way:
            each.cancel()
    assert all(each.cancelled() for each in under_way)


async def test_leaving_ends_the_work_and_the_threads() -> None:
    work = Work()
    async with asyncio.TaskGroup() as tasks:
        async with Workers("left", threads=1, most=2) as workers:
            under_way = tasks.create_task(workers.do(work))
            waiting = tasks.create_task(workers.do(lambda _: "too late"))
            await work.begins()
        assert work.ended.is_set()
        assert not [each for each in threading.enumerate() if "speech-left" in each.name]
    assert await under_way == "unwanted"
    assert waiting.cancelled()
