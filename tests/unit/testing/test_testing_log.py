"""The log of a session, and what is told of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from agentfield.testing import SessionLog, Step
from agentfield.testing.story import tool_calls, tree
from agentfield_sdk import Execution, SessionEvent

pytestmark = pytest.mark.unit

AT = datetime(2026, 5, 4, 3, 2, 1, 500_000, UTC)


def event(sequence: int, type_: str, **data: Any) -> SessionEvent:
    return SessionEvent(sequence=sequence, type=type_, at=AT, data={"schema": 1, **data})


def log_of(*events: SessionEvent) -> SessionLog:
    log = SessionLog()
    for each in events:
        log.add(each)
    return log


async def test_each_event_is_returned_once_whether_it_came_before_or_comes_yet() -> None:
    log = log_of(event(1, "agent.heard", text="One."), event(2, "speech.started"))

    first = await log.until("agent.heard", {}, seconds=1)
    async with asyncio.TaskGroup() as tasks:
        second = tasks.create_task(log.until("agent.heard", {}, seconds=1))
        tasks.create_task(asyncio.to_thread(lambda: None)).add_done_callback(
            lambda _: log.add(event(3, "agent.heard", text="Two."))
        )

    assert (first.sequence, second.result().sequence) == (1, 3)
    assert (await log.until("speech.started", {}, seconds=1)).sequence == 2


async def test_facts_must_hold_and_what_is_kept_can_be_had_again() -> None:
    log = log_of(event(1, "agent.heard", text="One."), event(2, "agent.heard", text="Two."))

    for keep in (True, False):
        found = await log.until("agent.heard", {"text": "Two."}, seconds=1, keep=keep)
        assert found.sequence == 2
    with pytest.raises(AssertionError, match=r"No agent.heard with text='Two.' came within 0 s"):
        await log.until("agent.heard", {"text": "Two."}, seconds=0)


async def test_a_wait_in_vain_shows_the_log() -> None:
    log = log_of(
        event(1, "agent.heard", text="One.", heard_ms=0, interrupted=None, metadata={"a": [1]}),
        event(0, "agent.delta", delta="Two"),
    )

    with pytest.raises(AssertionError) as failure:
        await log.until("tool.called", {}, seconds=0)

    assert str(failure.value) == (
        "No tool.called came within 0 s. The session's log:\n"
        '  03:02:01.500     1  agent.heard           text=One.  heard_ms=0  metadata={"a":[1]}'
    )


@pytest.mark.parametrize("ended", [True, False])
async def test_a_wait_fails_at_once_when_nothing_more_will_come(ended: bool) -> None:
    log = log_of()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(expect_failure(log))
        if ended:
            log.add(event(1, "session.ended", reason="client_hangup"))
        log.close("before the watch ended")

    why = "before the session ended (client_hangup)" if ended else "before the watch ended"
    assert waiting.result().startswith(f"No tool.called came {why}. The session's log:\n")


async def expect_failure(log: SessionLog) -> str:
    with pytest.raises(AssertionError) as failure:
        await log.until("tool.called", {}, seconds=60)
    return str(failure.value)


async def test_what_no_event_tells_of_is_waited_for_until_the_end_at_most() -> None:
    log, rings = log_of(event(1, "speech.started")), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(unheard(log, rings, seconds=60))
        assert await unheard(log, rings, seconds=0) == "No bell rang within 0 s."
        log.add(event(2, "session.ended", reason="client_hangup"))
    assert waiting.result() == "No bell rang before the session ended (client_hangup)."
    assert log.ended
    rings.set()
    await log.during(ring(rings), "No bell rang", seconds=0)


async def unheard(log: SessionLog, rings: asyncio.Event, *, seconds: float) -> str:
    with pytest.raises(AssertionError) as failure:
        await log.during(ring(rings), "No bell rang", seconds=seconds)
    told, title, shown = str(failure.value).partition(" The session's log:\n")
    assert title
    assert "speech.started" in shown
    return told


async def ring(rings: asyncio.Event) -> None:
    await rings.wait()


async def test_a_timeout_of_the_test_stays_a_timeout() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await log_of().until("tool.called", {}, seconds=60)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await log_of().during(ring(asyncio.Event()), "No bell rang", seconds=60)


def test_tool_calls_are_put_together_from_the_log() -> None:
    finished = {"duration_ms": 5, "error_reason": ""}
    first, second, client = tool_calls(
        [
            event(1, "tool.called", call_id="c1", name="a", target="n.a", arguments='{"x":1}'),
            event(2, "tool.refused", call_id="c2", name="b", reason="TOOL_NOT_ALLOWED", message=""),
            event(3, "tool.output", call_id="c2", item_id="i2", output="no JSON"),
            event(4, "speech.started", item_id="i3"),
            event(
                5,
                "tool.called",
                call_id=None,
                name="a",
                target="n.a",
                arguments="{",
                source="client",
            ),
            event(6, "tool.started", call_id=None, execution_id="e2", target="n.a"),
            event(7, "tool.started", call_id="c1", execution_id="e1", target="n.a"),
            event(8, "tool.finished", call_id=None, execution_id="e2", status="failed", **finished),
            event(
                9, "tool.finished", call_id="c1", execution_id="e1", status="succeeded", **finished
            ),
            event(10, "tool.output", call_id="c1", item_id="i1", output='["y"]'),
        ]
    )

    assert (first.name, first.target, first.arguments, first.output) == (
        "a",
        "n.a",
        {"x": 1},
        ["y"],
    )
    assert (first.status, first.duration_ms, first.call_id, first.execution_id) == (
        "succeeded",
        5,
        "c1",
        "e1",
    )
    assert (second.status, second.error_reason, second.output) == (
        "refused",
        "TOOL_NOT_ALLOWED",
        "no JSON",
    )
    assert (client.source, client.status, client.arguments, client.call_id) == (
        "client",
        "failed",
        "{",
        "",
    )


def test_a_workflow_is_a_tree_whose_shape_is_nested_names() -> None:
    root = tree(
        [
            execution("e1", "", "n.a"),
            execution("e2", "e1", "n.b"),
            execution("e3", "e2", "n.c"),
            execution("e4", "e1", "n.d"),
        ]
    )

    assert root.shape == ("n.a", ("n.b", ("n.c",)), ("n.d",))
    assert root.children[1] == Step(
        target="n.d", status="succeeded", execution_id="e4", duration_ms=3
    )


def execution(execution_id: str, parent: str, target: str) -> Execution:
    known = {"execution_id": execution_id, "parent_execution_id": parent, "target": target}
    fields = dict.fromkeys(Execution.__dataclass_fields__)
    values: dict[str, Any] = {**fields, **known, "status": "succeeded", "duration_ms": 3}
    return Execution(**values)
