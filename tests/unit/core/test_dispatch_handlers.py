"""How handlers of sessions find a worker."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from unit.core.work_store import FakeWorkStore, dispatching, execution

from agentfield.bus import InProcessBus
from agentfield.dispatch.link import Drained, Handling, Link, Run, StartHandler, Welcome
from agentfield.executions.engine import Topic
from agentfield.identity import ANYONE
from agentfield.sessions.ports import HandlerStart

pytestmark = pytest.mark.unit


def start(number: int, attempt: int = 1, *, node_id: str = "n", name: str = "talk") -> HandlerStart:
    return HandlerStart(
        session_id=f"sess_{number}",
        attempt=attempt,
        node_id=node_id,
        name=name,
        root_execution_id=f"exec_{number}",
        run_id=f"run_{number}",
    )


class Floor:
    """A dispatcher whose workers connect when told to."""

    def __init__(self, bus: InProcessBus | None = None) -> None:
        self.store = FakeWorkStore()
        self.dispatcher = dispatching(self.store, bus or InProcessBus())

    async def join(
        self, worker_id: str, *, max_sessions: int, handlers: Sequence[Handling] = ()
    ) -> Link:
        return await self.dispatcher.connect(
            worker_id,
            max_executions=1,
            running=[],
            caller=ANYONE,
            max_sessions=max_sessions,
            handlers=handlers,
        )


async def test_a_handler_goes_to_the_least_busy_worker_with_room() -> None:
    floor = Floor()
    first = await floor.join("reg_1", max_sessions=2)
    second = await floor.join("reg_2", max_sessions=3)

    placed = [floor.dispatcher.places.place(start(number)) for number in range(1, 7)]

    assert placed == ["w1", "w2", "w1", "w2", "w2", None]
    for link_, numbers in ((first, [1, 3]), (second, [2, 4, 5])):
        assert await link_.next() == Welcome()
        assert [await link_.next() for _ in numbers] == [StartHandler(start(n)) for n in numbers]


async def test_places_that_other_replicas_say_are_free_are(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = InProcessBus()
    floor = Floor(bus)
    await floor.join("reg_1", max_sessions=2)
    places = floor.dispatcher.places
    for number in (1, 2):
        places.place(start(number))
    floor.store.attempts = {"sess_2": 2}  # of the second only the next attempt runs
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        listening = tasks.create_task(places.run())
        await asyncio.sleep(0)
        bus.publish(Topic.HANDLER_OVER, "sess_1 1")
        while places.place(start(3)) is None:
            await asyncio.sleep(0)
        assert places.place(start(4)) is None
        listening.cancel()

        floor.store.attempts["sess_3"] = 1
        monkeypatch.setattr("agentfield.dispatch.places.LOOK_SECONDS", 0.01)
        looking = tasks.create_task(places.run())
        while places.place(start(4)) is None:
            await asyncio.sleep(0)
        assert places.place(start(5)) is None
        looking.cancel()


async def test_a_handler_goes_only_to_a_worker_that_declares_its_session() -> None:
    floor = Floor()
    floor.store.session_names["reg_1"] = frozenset({"sing"})
    await floor.join("reg_1", max_sessions=5)
    await floor.join("reg_2", max_sessions=5)

    assert floor.dispatcher.places.place(start(1, name="talk")) == "w2"
    assert floor.dispatcher.places.place(start(2, name="sing")) == "w1"
    assert floor.dispatcher.places.place(start(3, name="shout")) is None
    assert floor.dispatcher.places.place(start(4, node_id="another")) is None


async def test_a_worker_without_room_for_sessions_is_sent_none() -> None:
    floor = Floor()
    await floor.join("reg_1", max_sessions=0)

    assert floor.dispatcher.places.place(start(1)) is None


async def test_a_freed_place_is_taken_again() -> None:
    floor = Floor()
    await floor.join("reg_1", max_sessions=1)
    assert floor.dispatcher.places.place(start(1, attempt=2)) == "w1"

    floor.dispatcher.places.free("sess_1", 1)
    floor.dispatcher.places.free("sess_9", 2)
    assert floor.dispatcher.places.place(start(2)) is None
    floor.dispatcher.places.free("sess_1", 2)
    floor.dispatcher.places.free("sess_1", 2)
    assert floor.dispatcher.places.place(start(2)) == "w1"
    assert floor.dispatcher.places.place(start(3)) is None


async def test_a_worker_that_comes_back_has_the_handlers_it_says_it_runs() -> None:
    floor = Floor()
    first = await floor.join("reg_1", max_sessions=2)
    assert [floor.dispatcher.places.place(start(n)) for n in (1, 2)] == ["w1", "w1"]

    still = Handling(session_id="sess_2", attempt=1)
    await floor.join("reg_1", max_sessions=2, handlers=[still])

    assert first.closed
    # The first one never reached it.
    assert [floor.dispatcher.places.place(start(n)) for n in (3, 4)] == ["w1", None]
    floor.dispatcher.places.free("sess_2", 1)
    assert floor.dispatcher.places.place(start(4)) == "w1"


async def test_a_worker_that_drains_or_has_left_is_sent_no_handlers() -> None:
    floor = Floor()
    drained = await floor.join("reg_1", max_sessions=5)
    await floor.dispatcher.drain(drained)
    assert floor.dispatcher.places.place(start(1)) is None

    left = await floor.join("reg_2", max_sessions=5)
    left.close()
    assert floor.dispatcher.places.place(start(1)) is None

    await floor.join("reg_3", max_sessions=5)
    await floor.dispatcher.shut_down()
    assert floor.dispatcher.places.place(start(1)) is None
    late = await floor.join("reg_4", max_sessions=5)
    assert floor.dispatcher.places.place(start(1)) is None
    assert [await late.next() for _ in range(3)] == [Welcome(), Drained(), None]


async def test_handlers_use_no_credit_and_lend_no_slot() -> None:
    floor = Floor()
    worker = await floor.join("reg_1", max_sessions=5)
    before = worker.offer()
    floor.dispatcher.places.place(start(1))

    assert worker.offer() == before
    worker.run(execution(1))
    assert not worker.may_take
    worker.stop("sess_1")
    assert [await worker.next() for _ in range(3)] == [
        Welcome(),
        StartHandler(start(1)),
        Run(execution(1)),
    ]
