"""Handlers: their commands, their attempts, and what becomes of those that stay away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from support.live import Line, declared, desk

from agentfield import Agent, RealtimeSession
from agentfield.testing import Call, Reply, Script, ScriptedHandler
from agentfield.v1 import agent_service_pb2 as pb
from agentfield.v1 import errors, execution_pb2, session_pb2
from agentfield_sdk import SessionEvent

pytestmark = pytest.mark.integration

CANCELLED = execution_pb2.EXECUTION_STATUS_CANCELLED
FAILED = execution_pb2.EXECUTION_STATUS_FAILED
SUCCEEDED = execution_pb2.EXECUTION_STATUS_SUCCEEDED
COMPLETED = session_pb2.SPEECH_OUTCOME_COMPLETED
STOPPED = session_pb2.SPEECH_OUTCOME_CANCELLED
LONG = "Nobody will ever hear all of this sentence, for it is very long indeed. " * 3


@asynccontextmanager
async def led(script: Script = Script()) -> AsyncIterator[tuple[Line, ScriptedHandler]]:  # noqa: B008 - a value
    async with desk(script=script, functions=("find", "other")) as at:
        yield await at.led()


def seconds_between(first: SessionEvent, second: SessionEvent) -> float:
    assert first.at is not None
    assert second.at is not None
    return (second.at - first.at).total_seconds()


async def test_a_repeated_say_joins_the_first_and_is_spoken_once() -> None:
    async with led() as (line, handler):
        async with asyncio.TaskGroup() as tasks:
            said = [tasks.create_task(handler.say("Hi!", request_id="r")) for _ in range(4)]
        (spoken,) = {each.result().SerializeToString() for each in said}
        again = await handler.say("Hi!", request_id="r")

        assert again.SerializeToString() == spoken
        assert (again.outcome, again.heard_text) == (COMPLETED, "Hi!")
        assert len(line.desk.sent("response.create")) == 1
        assert [turn.text for turn in (await line.get()).turns] == ["Hi!"]


async def test_a_request_id_is_of_one_command_of_one_attempt() -> None:
    async with led() as (line, handler):
        assert (await handler.say("One.", request_id="r")).heard_text == "One."
        request = pb.InterruptRequest(session_id=line.session_id, attempt=1, request_id="r")
        answer = await line.plane.call(line.plane.agents.Interrupt, request)
        assert not answer.interrupted
        await handler.lost()
        second = await line.desk.worker.lead()
        assert (await second.say("Two.", request_id="r")).heard_text == "Two."


async def test_what_is_said_before_the_session_is_live_is_spoken_once_it_is() -> None:
    async with desk() as at:
        line = await at.start()
        handler = await at.worker.lead()
        saying = at.begin(handler.say("Welcome!", mood="fine"))
        await line.connect()
        assert (await saying).heard_text == "Welcome!"
        (turn,) = (await line.get()).turns
        assert (turn.role, turn.text, turn.metadata) == ("agent", "Welcome!", {"mood": "fine"})


async def test_commands_of_an_attempt_that_was_replaced_fail() -> None:
    async with desk() as at:
        await at.start()
        first = await at.worker.lead()
        waiting = at.begin(first.say("Never said."))
        await first.lost()
        second = await at.worker.lead()
        assert second.start.attempt == 2
        with pytest.raises(errors.HandlerSuperseded):
            await waiting
        commands: list[Any] = [
            first.say("No."),
            first.respond(),
            first.interrupt(),
            first.update(tools=[]),
            first.open(),
        ]
        for command in commands:
            with pytest.raises(errors.HandlerSuperseded):
                await command
        with pytest.raises(errors.HandlerSuperseded):
            await first.until("nothing")
        assert at.sent("response.create") == []


async def test_what_cannot_be_said_is_refused_and_nothing_is_spoken() -> None:
    async with led() as (line, handler):
        with pytest.raises(errors.Unsupported):
            await handler.say("Listen to all of it.", interruptible=False)
        with pytest.raises(errors.InvalidArgument, match="at most 8192 bytes"):
            await handler.say("ö" * 4097)
        with pytest.raises(errors.InvalidArgument, match="words"):
            await handler.say("  ")
        with pytest.raises(errors.InvalidArgument, match="at most 65536 bytes"):
            await handler.respond("x" * 65537)
        with pytest.raises(errors.InvalidArgument, match="at most 65536 bytes"):
            await handler.update(instructions="x" * 65537)
        of: dict[str, Any] = {"session_id": line.session_id, "attempt": 1}
        for request in (
            pb.SayRequest(**of, text="Hi.", request_id="a", metadata=b"[1]"),
            pb.SayRequest(**of, text="Hi.", request_id="b", metadata=b"{"),
            pb.SayRequest(**of, text="Hi."),
        ):
            with pytest.raises(errors.InvalidArgument):
                await line.plane.call(line.plane.agents.Say, request)
        assert line.desk.sent("response.create") == []


async def test_respond_returns_what_the_model_said_after_its_tools() -> None:
    replies = [
        Reply(when="hat", says="Wait.", calls=[Call(name="find", arguments={"what": "hat"})]),
        Reply(when="attic", says="In the attic."),
    ]
    async with led(Script(replies=replies)) as (line, handler):
        await line.say("Where is my hat?")
        await handler.until("turn.transcribed")
        responding = line.desk.begin(handler.respond())
        worker = line.desk.worker
        await worker.report(worker.accept(await worker.take()), b'"attic"')
        answer = await responding
        assert (answer.turn.text, answer.outcome) == ("In the attic.", COMPLETED)
        assert [t.text for t in (await line.get()).turns][1:] == ["Wait.", "In the attic."]


async def test_interrupt_stops_what_is_being_said_and_says_whether_there_was_anything() -> None:
    async with led() as (line, handler):
        assert not await handler.interrupt()
        saying = line.desk.begin(handler.say(LONG))
        await line.until("agent.said")
        assert await handler.interrupt()
        said = await saying
        assert said.outcome == STOPPED
        assert len(said.heard_text) < len(LONG)
        assert (await handler.say("Sorry.")).outcome == COMPLETED


async def test_an_update_is_in_force_for_the_provider_the_model_and_the_client() -> None:
    calls = [Call(name="find"), Call(name="other")]
    async with led(Script(replies=[Reply(when="go", calls=calls)])) as (line, handler):
        with pytest.raises(errors.TargetNotFound):
            await handler.update(tools=["nobody"])
        given = await handler.update(tools=["other"], instructions="Be brief.")
        assert given == {"other": "desk.other"}
        sent = line.desk.sent("session.update")[-1].body["session"]
        assert sent["instructions"] == "Be brief."
        assert [tool["name"] for tool in sent["tools"]] == ["other"]
        effective = (await line.get()).effective
        assert effective is not None
        assert effective.tool_targets == {"other": "desk.other"}

        await handler.returned()
        await line.say("Go!")
        refused = await line.until("tool.refused")
        assert (refused.data["name"], refused.data["reason"]) == ("find", "TOOL_NOT_ALLOWED")
        assert (await line.desk.worker.take()).function == "other"
        with pytest.raises(errors.ToolNotAllowed):
            await line.invoke("find")
        await line.invoke("other")
        assert (await line.desk.worker.take()).function == "other"


async def test_reports_of_a_handler_may_be_repeated() -> None:
    async with led() as (line, handler):
        for _ in range(3):
            await handler.returned()
        await handler.failed("too late")
        await handler.lost()
        await line.end()
        await handler.returned()
        types = await line.types()
        assert types.count("handler.returned") == 1
        assert {"handler.failed", "handler.lost"}.isdisjoint(types)
        assert (await line.get()).attempt == 1


async def test_a_handler_whose_worker_leaves_goes_on_at_once_elsewhere_with_what_was_said() -> None:
    seen: list[Any] = []

    def agent() -> Agent:
        app = Agent("duo")

        @app.session("talk", provider="openai", transport="webrtc", modalities=["audio"])
        async def talk(session: RealtimeSession) -> None:
            seen.append((session.attempt, [turn.text for turn in session.history]))
            async for turn in session:
                await session.say(f"{session.attempt}: {turn.text}")

        return app

    async with desk("--agent-grace=60") as at, AsyncExitStack() as first:
        await first.enter_async_context(agent().serving(drain_timeout=0.05))
        line = await (await at.start("duo.talk")).connect()
        await line.say("A?")
        await line.until("agent.heard", text="1: A?")
        async with agent().serving(drain_timeout=0.05):
            await first.aclose()
            lost = await line.until("handler.lost", attempt=1)
            started = await line.until("handler.started", attempt=2)
            assert seconds_between(lost, started) < 1
            await line.say("B?")
            await line.until("agent.heard", text="2: B?")
            await line.end()
    assert seen == [(1, []), (2, ["A?", "1: A?"])]


async def test_a_handler_that_never_follows_its_session_is_replaced() -> None:
    async with desk("--agent-grace=0.2") as at:
        line = await at.start()
        await at.worker.take_handler()
        second = await at.worker.lead()
        assert second.start.attempt == 2
        lost = await line.until("handler.lost", attempt=1)
        started = await line.until("handler.started", attempt=1)
        assert 0.19 < seconds_between(started, lost) < 2


async def test_of_two_streams_of_an_attempt_one_is_enough() -> None:
    async with desk("--agent-grace=0.2") as at:
        line, handler = await at.led()
        twin = ScriptedHandler(at.plane, handler.start)
        await twin.open()
        twin.drop()
        await handler.say("Much longer than that.")
        assert (await line.get()).attempt == 1
        handler.drop()
        await line.until("handler.lost", attempt=1)
        with pytest.raises(errors.HandlerSuperseded):
            await handler.open()
        assert (await at.worker.lead()).start.attempt == 2


async def test_a_handler_that_outlives_its_grace_gives_its_place_back() -> None:
    slow = declared("slow", limits={"handler_grace": 0.3})
    async with desk() as at:
        small = await at.colleague(slow).connect(max_sessions=1)
        line = await at.start("slow")
        handler = await small.lead()
        with pytest.raises(errors.NodeUnavailable):
            await at.start("slow")
        await line.end()
        await handler.until("session.ended")
        root = await at.plane.get(line.started.root_execution_id)
        assert root.status == execution_pb2.EXECUTION_STATUS_RUNNING
        async with asyncio.timeout(2):
            await at.plane.until(line.started.root_execution_id, SUCCEEDED)
        await at.start("slow")
        await small.take_handler()
        await small.goodbye()


async def test_cancelling_the_root_ends_the_session_and_its_call() -> None:
    async with led() as (line, handler):
        await line.plane.cancel(line.started.root_execution_id, "enough")
        assert await line.ended() == "api_ended"
        await handler.until("session.ended")
        await line.calls_are("ended")
        root = await line.plane.get(line.started.root_execution_id)
        assert root.status == CANCELLED


async def test_a_handler_ends_its_session_and_one_that_was_replaced_does_not() -> None:
    async with led() as (line, handler):
        await handler.lost()
        await line.desk.worker.lead()
        with pytest.raises(errors.HandlerSuperseded):
            await line.end(attempt=1)
        await line.end(attempt=2, detail="all said")
        event = await line.until("session.ended")
        assert (event.data["reason"], event.data["detail"]) == ("agent_ended", "all said")


async def test_a_handler_that_raises_ends_its_session_with_what_it_raised() -> None:
    async with led() as (line, handler):
        await handler.failed("ValueError: no")
        assert await line.ended() == "handler_failed"
        await line.calls_are("ended")
        root = await line.plane.get(line.started.root_execution_id)
        assert (root.status, root.error) == (FAILED, "ValueError: no")


async def test_what_is_changed_before_the_offer_travels_with_it() -> None:
    async with desk(functions=("find", "other")) as at:
        line = await at.start()
        handler = await at.worker.lead()
        given = await handler.update(instructions="Be brief.", tools=["other"])
        assert given == {"other": "desk.other"}
        await line.connect()
        (offer,) = at.offers()
        told = offer.body["body"]["session"]
        assert told["instructions"] == "Be brief."
        assert [tool["name"] for tool in told["tools"]] == ["other"]
        assert told["audio"]["input"]["turn_detection"]["create_response"] is False


async def test_the_turns_of_a_handler_that_returns_are_left_to_the_model_once() -> None:
    script = Script(replies=[Reply(when="second", says="To both.")])
    async with led(script) as (line, handler):
        for words in ("The first.", "The second."):
            await line.say(words)
            await line.until("turn.transcribed", text=words)
        assert line.desk.sent("response.create") == []
        await handler.returned()
        await line.until("agent.heard", text="To both.")
        assert len(line.desk.sent("response.create")) == 1
