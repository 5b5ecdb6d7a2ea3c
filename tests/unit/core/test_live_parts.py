"""The small parts of the live side: what one of them cannot do costs nobody else anything."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agentfield.live.commands import Commands
from agentfield.live.errands import Errands
from agentfield.live.inbox import Alarms
from agentfield.live.orders import Then
from agentfield.live.outliving import Outliving
from agentfield.live.recorder import Recorder
from agentfield.live.whole import Whole
from agentfield.sessions.model import Event
from agentfield.sessions.ports import Append
from agentfield.sessions.sharing import Unowned
from agentfield.v1 import errors

pytestmark = pytest.mark.unit


async def fails(error: Exception) -> None:
    raise error


@pytest.mark.parametrize("error", [ValueError("a bug"), errors.StoreUnavailable("later")])
async def test_work_that_fails_is_told_to_who_asked_and_other_work_goes_on(
    error: Exception,
) -> None:
    lasting = Outliving()
    async with lasting.running():
        with pytest.raises(type(error)):
            await lasting.finish(fails(error))
        assert await lasting.finish(asyncio.sleep(0, "done")) == "done"


async def test_work_ends_although_who_asked_has_gone() -> None:
    lasting, may_end, ended = Outliving(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await may_end.wait()
        ended.set()

    async with lasting.running(), asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(lasting.finish(work()))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait({asking})
        may_end.set()
        await ended.wait()


@pytest.mark.parametrize("error", [errors.StoreUnavailable("later"), errors.SessionEnded("over")])
async def test_an_errand_that_cannot_be_done_ends_no_session(error: Exception) -> None:
    errands = Errands()
    async with errands.running():
        task = errands.run(fails(error), "errand")
        assert task is not None
        await asyncio.wait({task})
        assert errands.run(asyncio.sleep(0), "another") is not None


async def test_an_errand_that_comes_while_others_fail_is_not_begun() -> None:
    errands, begun = Errands(), asyncio.Event()

    async def late() -> None:
        begun.set()

    async def run() -> None:
        async with errands.running():
            task = errands.run(fails(ValueError("a bug")), "errand")
            assert task is not None
            task.add_done_callback(lambda _: errands.run(late(), "late"))
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup):
        await run()
    assert not begun.is_set()


async def test_a_command_whose_step_was_not_posted_is_posted_by_its_repeat() -> None:
    commands, posted = Commands(), 0

    class Full:
        """A session whose inbox has no room the first time."""

        def owe(self) -> asyncio.Future[Any]:
            return asyncio.get_running_loop().create_future()

        async def post(self, step: Any) -> None:
            nonlocal posted
            posted += 1
            if posted == 1:
                await asyncio.Event().wait()

    session = cast("Whole", Full())
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(commands.take("id", session, lambda _: []))
        await asyncio.sleep(0)
        first.cancel()

    again = await commands.take("id", session, lambda _: [])

    assert posted == 2
    commands.resolve("id", "said")
    assert await again == "said"


async def test_nothing_is_done_of_what_was_stored_when_the_lease_is_lost_meanwhile() -> None:
    lease = SimpleNamespace(is_held=True)

    async def commit(*_: Any) -> list[Event]:
        lease.is_held = False
        return []

    feeds = SimpleNamespace(announce=lambda *_, **__: None)
    shared = SimpleNamespace(store=SimpleNamespace(commit=commit), feeds=feeds, lease=lease)
    session = SimpleNamespace(session_id="sess_1", owner_epoch=1, is_over=False, last_sequence=1)
    recorder = Recorder(cast(Any, shared), cast(Any, session), cast(Any, None))
    recorder.add(Append(type="agent.asked", data={}))
    recorder.add(Then(run=lambda: None))
    with pytest.raises(Unowned):
        await recorder.record()


def test_an_alarm_that_is_set_stays_where_it_is_when_it_is_set_once_more() -> None:
    alarms = Alarms()
    alarms.set_once("link", 1.0, lambda _: [])
    alarms.set_once("link", 9.0, lambda _: [])
    assert alarms.next == 1.0
    assert len(alarms.take(1.0)) == 1
    alarms.set_once("link", 9.0, lambda _: [])
    assert alarms.next == 9.0
