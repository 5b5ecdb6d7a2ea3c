"""What is on its way to a worker, and what is done when it goes."""

from __future__ import annotations

import asyncio

import pytest
from unit.core.work_store import FakeWorkStore, dispatching, execution, running

from agentfield.bus import InProcessBus
from agentfield.dispatch.link import Drained, Link, Run, Stop, Welcome
from agentfield.executions.engine import Topic
from agentfield.executions.work import Running
from agentfield.identity import ANYONE, Caller
from agentfield.v1 import errors

pytestmark = pytest.mark.unit


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
