"""What is counted and timed of sessions and executions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from prometheus_client import REGISTRY
from support.live import desk, until

from agentfield.testing import Call, Reply, Script
from agentfield.v1.execution_pb2 import ExecutionStatus

pytestmark = pytest.mark.integration

SCRIPT = Script(
    replies=[
        Reply(
            when="hat",
            says="It is here. " * 20,
            calls=[Call(name="find", arguments={"what": "hat"})],
        ),
        Reply(when="wait", says="Yes?", calls=[Call(name="secret")]),
    ]
)


def counting(name: str, **labels: str) -> Callable[[], float]:
    """Return what tells how much a value has grown since now."""

    def value() -> float:
        return REGISTRY.get_sample_value(f"agentfield_{name}", labels) or 0.0

    before = value()
    return lambda: value() - before


async def test_a_conversation_is_counted_and_timed() -> None:
    started = counting("session_started_total")
    ended = counting("session_total", reason="api_ended")
    offers = counting("session_offer_seconds_count")
    attached = counting("session_attach_seconds_count")
    turns = counting("session_turns_total", channel="audio")
    answered = counting("session_first_audio_seconds_count")
    waited = counting("session_first_audio_seconds_sum")
    interrupted = counting("session_interruptions_total")
    succeeded = counting("session_tools_total", outcome="succeeded")
    refused = counting("session_tools_total", outcome="refused")
    tools = counting("session_tool_seconds_count")
    live, open_calls = counting("session_live"), counting("session_open_provider_calls")
    async with desk(script=SCRIPT) as at:
        line = await (await at.start("plain")).connect()
        assert (started(), offers(), attached(), live(), open_calls()) == (1, 1, 1, 1, 1)
        await line.say("Where is my hat?")
        await at.worker.report(at.worker.accept(await at.worker.take()))
        await line.until("tool.finished")
        await line.until("agent.said")
        await line.say("Oh, wait!")
        await line.until("agent.interrupted")
        await line.until("tool.refused")
        await line.until("agent.heard", text="Yes?")
        await line.end()
        await line.ended()
        await line.calls_are("ended")
        types = await line.types()
    assert (ended(), turns(), answered()) == (1, 2, 2)
    assert interrupted() == types.count("agent.interrupted") >= 1
    assert (succeeded(), refused(), tools()) == (1, 1, 1)
    assert (live(), open_calls()) == (0, 0)
    assert 0 < waited() < 20


async def test_executions_are_counted_and_timed_from_their_request_to_their_end() -> None:
    ended = counting("executions_total", status="succeeded")
    queued, ran = counting("execution_queue_seconds_count"), counting("execution_seconds_count")
    sent, workers = counting("sent_executions_total"), counting("workers")
    commits, writes = counting("store_commit_seconds_count"), counting("store_commit_writes_sum")
    async with desk() as at:
        assert workers() == 1
        await at.plane.submit("desk.find")
        await at.worker.report(at.worker.accept(await at.worker.take()))
        assert (ended(), queued(), ran(), sent()) == (1, 1, 1, 1)
        assert 1 <= commits() <= writes()


async def test_what_no_worker_takes_is_seen_to_wait_and_then_not_to_have_run() -> None:
    timed_out = counting("executions_total", status="timeout")
    queued, ran = counting("execution_queue_seconds_count"), counting("execution_seconds_count")
    async with desk() as at:
        at.worker.drain()
        await at.worker.receive()
        execution_id = await at.plane.submit("desk.find", timeout=3.0)

        async def waits() -> bool:
            return REGISTRY.get_sample_value("agentfield_queued_executions") == 1

        await until(waits)
        await at.plane.until(execution_id, ExecutionStatus.EXECUTION_STATUS_TIMEOUT)

        async def counted() -> bool:
            return timed_out() == 1

        await until(counted)
        assert (queued(), ran()) == (1, 0)
