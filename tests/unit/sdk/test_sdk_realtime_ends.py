"""How handlers end, and what they notice of broken streams and of other attempts."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import orjson
import pytest
from unit.sdk.declared import OPENAI
from unit.sdk.fake_plane import FakePlane, leave, serving
from unit.sdk.leading import led_by, outcome

from agentfield.v1 import agent_service_pb2 as pb
from agentfield.v1 import errors
from agentfield.v1.execution_service_pb2 import ExecuteResponse
from agentfield_sdk import (
    Agent,
    RealtimeSession,
)

pytestmark = pytest.mark.unit


async def test_the_turns_stop_when_the_session_has_ended_and_calls_go_on(
    app: Agent, plane: FakePlane
) -> None:
    plane.answers("Execute", ExecuteResponse(result=b'"saved"'))
    found: list[Any] = []

    async def handler(session: RealtimeSession) -> None:
        found.extend([turn.text async for turn in session])
        found.extend([session.state, await session.call("node.save", turns=session.history)])

    async with led_by(handler, app, plane) as handling:
        handling.opens()
        handling.hears_user(1, "item_1", "Hi")
        handling.tells(3, "session.ended", reason="client_hangup")
        handling.ends()

    assert found == ["Hi", "ended", "saved"]
    saved = orjson.loads(plane.requests("Execute")[0].input)["turns"]
    assert [turn["text"] for turn in saved] == ["Hi"]
    assert outcome(plane) == (1, pb.HANDLER_OUTCOME_RETURNED, "")


async def test_a_handler_that_lets_the_end_escape_has_returned(
    app: Agent, plane: FakePlane
) -> None:
    async def handler(session: RealtimeSession) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(session.input())
            tasks.create_task(session.input())

    async with led_by(handler, app, plane) as handling:
        handling.opens()
        handling.tells(1, "session.ended", reason="api_ended")

    assert outcome(plane) == (1, pb.HANDLER_OUTCOME_RETURNED, "")


async def test_a_handler_that_raises_a_cancellation_of_its_own_has_returned(
    app: Agent, plane: FakePlane
) -> None:
    async def handler(session: RealtimeSession) -> None:
        with contextlib.suppress(ExceptionGroup):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(session.call("no node"))
        raise asyncio.CancelledError

    plane.answers("Execute", errors.InvalidArgument("No target."))
    async with led_by(handler, app, plane) as handling:
        handling.opens()

    assert outcome(plane) == (1, pb.HANDLER_OUTCOME_RETURNED, "")


async def test_what_is_asked_after_the_end_raises_it(app: Agent, plane: FakePlane) -> None:
    plane.answers("Say", errors.SessionEnded("The session has ended."))
    raised: list[type[BaseException]] = []

    async def handler(session: RealtimeSession) -> None:
        try:
            await session.say("Too late")
        except errors.SessionEnded as error:
            raised.append(type(error))
            raise

    async with led_by(handler, app, plane) as handling:
        handling.opens()

    assert raised == [errors.SessionEnded]
    assert outcome(plane) == (1, pb.HANDLER_OUTCOME_RETURNED, "")


async def test_a_handler_is_stopped_when_its_grace_is_over_and_has_returned(
    app: Agent, plane: FakePlane
) -> None:
    stopped = asyncio.Event()

    async def handler(session: RealtimeSession) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with led_by(handler, app, plane) as handling:
        handling.opens(grace=0.05)
        handling.tells(1, "session.ended", reason="api_ended")
        await stopped.wait()

    assert outcome(plane) == (1, pb.HANDLER_OUTCOME_RETURNED, "")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("boom"), "ValueError: boom"),
        (TimeoutError(), "TimeoutError"),
        (SystemExit("bye"), "SystemExit: bye"),
        (ExceptionGroup("two", [KeyError("k")]), "KeyError: 'k'"),
        (errors.ToolNotAllowed("Not this one."), "Not this one."),
        (ValueError("x" * 40_000), "ValueError: " + "x" * (32 * 1024 - 12)),
    ],
)
async def test_a_handler_that_raises_has_failed_and_harms_no_other(
    app: Agent, plane: FakePlane, error: BaseException, text: str
) -> None:
    async def handler(session: RealtimeSession) -> None:
        raise error

    async with led_by(handler, app, plane) as handling:
        handling.opens()

    assert outcome(plane) == (1, pb.HANDLER_OUTCOME_FAILED, text)


async def test_what_a_handler_raises_is_not_in_the_log(
    app: Agent, plane: FakePlane, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(session: RealtimeSession) -> None:
        raise ValueError(f"cannot answer: {(await session.input()).text}")

    async with led_by(handler, app, plane) as handling:
        handling.opens()
        handling.hears_user(1, "item_1", "a private matter")

    record = next(record for record in caplog.records if record.message == "handler raised")
    assert vars(record)["type"] == "ValueError"
    assert Path(__file__).name in vars(record)["at"]
    assert not any("private" in str(vars(record)) for record in caplog.records)


async def test_a_handler_notices_nothing_of_a_broken_stream(app: Agent, plane: FakePlane) -> None:
    turns: list[str] = []

    async def handler(session: RealtimeSession) -> None:
        turns.extend([(await session.input()).text for _ in range(3)])

    async with led_by(handler, app, plane, attempt=2) as handling:
        handling.opens()
        handling.hears_user(1, "item_1", "One")
        handling.breaks()
        second = await plane.handling()
        second.breaks(errors.Internal("Something else."))
        third = await plane.handling()
        third.opens(last_sequence=4)
        third.hears_user(1, "item_1", "One")
        third.hears_user(3, "item_2", "Two")
        third.ends()
        fourth = await plane.handling()
        fourth.opens(last_sequence=4)
        fourth.hears_user(5, "item_3", "Three")

    assert turns == ["One", "Two", "Three"]
    asked = [handling.request, second.request, third.request, fourth.request]
    assert [(one.attempt, one.after_sequence) for one in asked] == [(2, 0), (2, 2), (2, 2), (2, 4)]
    assert outcome(plane) == (2, pb.HANDLER_OUTCOME_RETURNED, "")


async def test_a_history_that_comes_in_pieces_is_whole_before_the_handler_begins(
    app: Agent, plane: FakePlane
) -> None:
    at_first: list[str] = []

    async def handler(session: RealtimeSession) -> None:
        at_first.extend(turn.text for turn in session.history)

    async with led_by(handler, app, plane, attempt=2) as handling:
        handling.opens(last_sequence=4)
        handling.hears_user(1, "item_1", "One")
        handling.breaks()
        again = await plane.handling()
        again.opens(last_sequence=6)
        again.hears_user(3, "item_2", "Two")

    assert again.request.after_sequence == 2
    assert at_first == ["One", "Two"]


@pytest.mark.parametrize(
    "gone",
    [
        errors.HandlerSuperseded("Attempt 2 runs."),
        errors.SessionNotFound("There is none."),
        errors.PermissionDenied("Not yours."),
    ],
)
@pytest.mark.parametrize("begun", [True, False])
async def test_a_session_that_is_not_ours_any_more_stops_the_handler_without_a_word(
    app: Agent, plane: FakePlane, gone: errors.AgentFieldError, begun: bool
) -> None:
    stopped = asyncio.Event()

    async def handler(session: RealtimeSession) -> None:
        running.set()
        try:
            await session.input()
        finally:
            stopped.set()

    running = asyncio.Event()
    app.session("voice", **OPENAI)(handler)
    async with serving(app, plane) as work:
        work.starts()
        handling = await plane.handling()
        if begun:
            handling.opens()
            await running.wait()
        handling.breaks(gone)
        await leave(app, work)  # which waits for the handler

    assert stopped.is_set() is begun
    assert not plane.requests("ReportHandler")


async def test_a_handler_that_learns_by_asking_that_it_was_replaced_says_nothing(
    app: Agent, plane: FakePlane
) -> None:
    plane.answers("Say", errors.HandlerSuperseded("Attempt 2 runs."))

    async def handler(session: RealtimeSession) -> None:
        await session.say("Hello")

    app.session("voice", **OPENAI)(handler)
    async with serving(app, plane) as work:
        work.starts()
        (await plane.handling()).opens()
        await leave(app, work)  # which waits for the handler

    assert plane.requests("Say")
    assert not plane.requests("ReportHandler")
