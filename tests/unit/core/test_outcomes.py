"""Of what is done for somebody else they get what comes of it, and nobody else does."""

from __future__ import annotations

import asyncio

import pytest

from agentfield.process.outcomes import Outcome, attempt, attempted

pytestmark = pytest.mark.unit


def fail() -> None:
    raise ValueError("a bug")


async def fail_later() -> None:
    fail()


async def test_a_result_comes_out_of_what_succeeds() -> None:
    assert attempt(lambda: "done").get() == "done"
    assert (await attempted(asyncio.sleep(0, "done"))).get() == "done"


async def test_what_fails_raises_where_its_outcome_is_used() -> None:
    for failed in (attempt(fail), await attempted(fail_later())):
        with pytest.raises(ValueError, match="a bug"):
            failed.get()


async def test_a_cancellation_is_no_outcome() -> None:
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(attempted(asyncio.Event().wait()))
        await asyncio.sleep(0)
        waiting.cancel()
    assert waiting.cancelled()


async def test_it_answers_who_waits() -> None:
    loop = asyncio.get_running_loop()
    good: asyncio.Future[str] = loop.create_future()
    bad: asyncio.Future[str] = loop.create_future()

    Outcome(result="done").tell(good)
    failed: Outcome[str] = Outcome(error=ValueError("a bug"))
    failed.tell(bad)

    assert await good == "done"
    with pytest.raises(ValueError, match="a bug"):
        await bad


async def test_it_answers_nobody_who_has_gone() -> None:
    gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    gone.cancel()
    Outcome(result="done").tell(gone)
    assert gone.cancelled()
