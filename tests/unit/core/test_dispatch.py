"""What is on its way to a worker, and what is done when it goes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from agentfield.bus import InProcessBus
from agentfield.dispatch.dispatcher import Dispatcher
from agentfield.dispatch.link import Drained, Handling, Link, Run, StartHandler, Stop, Welcome
from agentfield.executions.engine import Topic
from agentfield.executions.model import Execution, Kind
from agentfield.executions.work import Acceptance, Offer, Rejoined, Running
from agentfield.identity import ANYONE, Caller
from agentfield.sessions.ports import HandlerStart
from agentfield.v1 import errors

pytestmark = pytest.mark.unit


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


def link(max_executions: int = 3, *known: Running) -> Link:
    return Link(
        worker_id="reg_1",
        connection_id="conn_1",
        node_id="n",
        instance_id="w1",
        max_executions=max_executions,
        running=known,
    )


async def test_messages_leave_in_order_and_use_credit() -> None:
    worker = link(2)
    worker.send(Welcome())
    worker.run(execution(1))

    assert worker.offer().credit == 1
    assert await worker.next() == Welcome()
    assert await worker.next() == Run(execution(1))


async def test_what_runs_already_counts_against_the_first_credit() -> None:
    assert link(3, running(1), running(2)).offer().credit == 1


async def test_credit_never_grows_beyond_the_limit() -> None:
    worker = link(2)
    worker.run(execution(1))
    worker.credit(100)
    worker.credit(-5)

    assert worker.offer().credit == 2


async def test_only_what_never_left_is_unsent() -> None:
    worker = link()
    for number in (1, 2, 3):
        worker.run(execution(number))
    await worker.next()
    worker.close()

    assert worker.unsent() == [running(2), running(3)]
    assert await worker.next() is None
    assert worker.unsent() == [running(2), running(3)]


async def test_a_stop_for_what_was_sent_is_sent_and_for_what_was_not_keeps_it_back() -> None:
    worker = link()
    worker.run(execution(1))
    worker.run(execution(2))
    await worker.next()

    worker.stop("exec_1")
    worker.stop("exec_2")
    worker.stop("exec_unknown")

    assert await worker.next() == Stop(running(1))
    assert worker.unsent() == []
    assert worker.offer().credit == 2


async def test_a_stop_for_what_is_done_is_not_sent() -> None:
    worker = link()
    worker.run(execution(1))
    await worker.next()
    worker.done("exec_1")
    worker.stop("exec_1")
    worker.finish()

    assert await worker.next() is None


async def test_draining_gives_back_what_waits_and_takes_nothing_more() -> None:
    worker = link()
    worker.run(execution(1))

    assert worker.hold() == [running(1)]
    worker.resume()
    worker.drain()
    assert worker.unsent() == []
    assert await worker.next() == Drained()
    assert not worker.may_take
    assert not worker.may_receive


async def test_slots_can_be_lent_only_while_something_runs() -> None:
    worker = link(1)
    worker.run(execution(1))
    assert not worker.may_take
    await worker.next()
    assert worker.may_take
    worker.done("exec_1")
    assert not worker.may_take


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


async def test_a_stream_that_breaks_while_it_connects_is_not_left_connected() -> None:
    store = FakeWorkStore()
    store.go_on.clear()
    dispatcher = dispatching(store, InProcessBus())
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        work = tasks.create_task(dispatcher.run())
        connecting = tasks.create_task(
            dispatcher.connect("reg_1", max_executions=1, running=[], caller=ANYONE)
        )
        await store.asked.wait()

        connecting.cancel()

        assert await store.disconnected.get() == ("reg_1", [], False)
        work.cancel()


async def test_a_claim_for_a_worker_that_left_meanwhile_is_released() -> None:
    store, bus = FakeWorkStore(), InProcessBus()
    store.claims.append([execution(1)])
    dispatcher = dispatching(store, bus)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        first = await dispatcher.connect("reg_1", max_executions=1, running=[], caller=ANYONE)
        store.asked.clear()
        store.go_on.clear()
        work = tasks.create_task(dispatcher.run())
        bus.publish(Topic.QUEUE, "n")
        await store.asked.wait()

        first.close(for_good=True)
        dispatcher.leave(first)
        await asyncio.sleep(0)
        store.go_on.set()
        await store.disconnected.get()
        work.cancel()

    assert store.released == [running(1)]
    # The other way round, leaving for good would have lost what was never sent.
    assert store.order == ["release", "disconnect"]


async def test_what_ended_without_a_hint_that_arrived_is_stopped_all_the_same() -> None:
    store, bus = FakeWorkStore(), InProcessBus()
    bus.trusted_seconds = 0.01
    store.still_active = frozenset({"exec_2"})
    dispatcher = dispatching(store, bus)
    known = [running(1), running(2)]
    worker = await dispatcher.connect("reg_1", max_executions=3, running=known, caller=ANYONE)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        work = tasks.create_task(dispatcher.run())

        assert await worker.next() == Welcome()
        assert await worker.next() == Stop(running(1))
        work.cancel()
    assert worker.sent == {"exec_2"}


async def test_who_may_not_take_a_workers_place_does_not_disturb_it() -> None:
    store, bus = FakeWorkStore(), InProcessBus()
    store.claims.append([execution(1)])
    dispatcher = dispatching(store, bus)
    stranger = Caller(name="x", roles=frozenset({"agent"}))
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        owner = await dispatcher.connect("reg_1", max_executions=1, running=[], caller=ANYONE)
        with pytest.raises(errors.PermissionDenied):
            await dispatcher.connect("reg_1", max_executions=1, running=[], caller=stranger)
        work = tasks.create_task(dispatcher.run())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        bus.publish(Topic.QUEUE, "n")

        assert await owner.next() == Welcome()
        assert await owner.next() == Run(execution(1))
        work.cancel()
    assert not owner.closed
    assert len(store.connections) == 1


async def test_a_held_link_sends_no_executions_until_it_resumes() -> None:
    worker = link()
    worker.run(execution(1))
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        assert worker.hold() == [running(1)]
        next_ = tasks.create_task(worker.next())
        await asyncio.sleep(0)
        assert not next_.done()
        assert worker.unsent() == [running(1)]
        worker.resume()
    assert next_.result() == Run(execution(1))


async def test_forgetting_one_attempt_leaves_another_of_the_same_execution() -> None:
    worker = link(3, running(1, attempt=1), running(1, attempt=2))
    assert worker.offer().credit == 1

    worker.forget(running(1, attempt=1))
    worker.stop("exec_1")

    assert await worker.next() == Stop(running(1, attempt=1))
    assert await worker.next() == Stop(running(1, attempt=2))


async def test_hints_are_remembered_until_somebody_waits() -> None:
    bus = InProcessBus()
    with bus.listen(("a", "1"), ("b", None)) as listener:
        for topic, key in (("a", "1"), ("a", "2"), ("b", "x"), ("b", "y"), ("b", "y")):
            bus.publish(topic, key)

        assert set(await listener.wait(1)) == {("a", "1"), ("b", "x"), ("b", "y")}
        assert set(await listener.wait(0.001)) == set()
    bus.publish("a", "1")


async def test_a_wait_ends_when_hints_may_have_been_lost() -> None:
    bus = InProcessBus()
    with bus.listen(("a", None)) as listener:
        bus.wake()

        assert set(await listener.wait(5)) == set()
        bus.publish("a", "1")
        assert set(await listener.wait(5)) == {("a", "1")}


# --- handlers of sessions ---


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
