"""Sessions as a whole: how they end, also by a bug, and how many there may be."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from support.live import PLAIN, Line, declared, desk
from support.plane import config_for, keyring, running_plane
from support.storage import Storage

from agentfield.identity import Caller
from agentfield.providers.openai_realtime import OpenAIRealtime
from agentfield.sessions.conversation import Conversation
from agentfield.sessions.provider import SpeechStarted
from agentfield.testing import ScriptedWorker
from agentfield.v1 import error_reason_pb2, errors, execution_pb2
from agentfield.v1 import session_service_pb2 as pb

pytestmark = pytest.mark.integration

FAILED = execution_pb2.EXECUTION_STATUS_FAILED

# --- ends ---


async def test_a_session_may_be_ended_by_many_at_once() -> None:
    async with desk() as at:
        line = await (await at.start("plain")).connect()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(50):
                tasks.create_task(line.end())
        assert (await line.types()).count("session.ended") == 1
        await line.calls_are("ended")
        assert len(at.hang_ups()) == 1


# --- bugs ---


def break_(monkeypatch: pytest.MonkeyPatch, line: Line, *names: str) -> None:
    """Let these methods of a session's conversation fail from when the caller speaks."""
    broken = False

    def breaking(name: str) -> Any:
        original = getattr(Conversation, name)

        def method(self: Conversation, *args: Any, **options: Any) -> Any:
            nonlocal broken
            if self._session_id == line.session_id:
                broken = broken or isinstance(args[0], SpeechStarted)
                if broken:
                    raise RuntimeError("a bug")
            return original(self, *args, **options)

        return method

    for name in names:
        monkeypatch.setattr(Conversation, name, breaking(name))


@pytest.mark.parametrize("names", [("heard_from",), ("heard_from", "close")])
async def test_a_bug_ends_one_session_and_leaves_the_others_and_the_server(
    names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk() as at:
        other = await (await at.start("plain")).connect()
        line, handler = await at.led()
        saying = at.begin(handler.say("Nobody hears all of this. " * 5))
        await line.until("agent.said")
        break_(monkeypatch, line, *names)
        await line.say("Hello?")
        assert await line.ended() == "internal_error"
        with pytest.raises(errors.SessionEnded):
            await saying
        await line.calls_are("ended")
        assert at.hang_ups() == [await line.external_id()]
        root = await at.plane.until(line.started.root_execution_id, FAILED)
        assert root.error_reason == error_reason_pb2.ERROR_REASON_INTERNAL
        await handler.returned()
        with pytest.raises(errors.SessionEnded):
            await line.invoke("find")

        await other.say("And me?")
        await other.until("agent.heard", text="And me?")
        assert await (await at.start("plain")).connect()


async def test_a_bug_gives_the_place_of_the_handler_back(monkeypatch: pytest.MonkeyPatch) -> None:
    only = declared("only")
    async with desk() as at:
        small = await at.colleague(only).connect(max_sessions=1)
        line = await at.start("only")
        await small.lead()
        await line.connect()
        with pytest.raises(errors.NodeUnavailable):
            await at.start("only")
        break_(monkeypatch, line, "heard_from")
        await line.say("Hello?")
        assert await line.ended() == "internal_error"
        await at.plane.until(line.started.root_execution_id, FAILED)
        await at.start("only")
        await small.take_handler()
        await small.goodbye()


async def test_a_bug_while_an_offer_is_under_way_leaves_no_call_that_seems_to_be_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(self: OpenAIRealtime, request: Any, taken: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr(OpenAIRealtime, "offer", broken)
    async with desk() as at:
        line = await at.start("plain")
        with pytest.raises(errors.SessionEnded):
            await line.offer()
        assert await line.ended() == "internal_error"
        await line.calls_are("abandoned")


# --- limits ---


async def test_a_caller_has_no_more_sessions_than_it_may(storage: Storage) -> None:
    callers = (
        Caller(name="web", roles=frozenset({"client"})),
        Caller(name="app", roles=frozenset({"client"})),
        Caller(name="bot", roles=frozenset({"agent"}), nodes=("*",)),
    )
    config = replace(config_for(storage), keyring=keyring(*callers), max_sessions_per_caller=2)
    async with (
        running_plane(config) as plane,
        ScriptedWorker(plane.as_("bot"), "desk", "find", sessions=[PLAIN]),
    ):
        web, start = plane.as_("web"), pb.StartSessionRequest(target="desk.plain")
        started = [await web.call(web.sessions.StartSession, start) for _ in range(2)]
        with pytest.raises(errors.SessionLimitReached) as refused:
            await web.call(web.sessions.StartSession, start)
        assert refused.value.retry_after
        assert await plane.call(plane.as_("app").sessions.StartSession, start, x_api_key="app")
        end = pb.EndSessionRequest(session_id=started[0].session_id)
        await web.call(web.sessions.EndSession, end)
        assert await web.call(web.sessions.StartSession, start)


@pytest.mark.parametrize("flag", ["--max-sessions-per-target=2", ""])
async def test_a_target_has_no_more_sessions_than_it_may_whoever_comes_at_once(flag: str) -> None:
    few = declared("few", has_handler=False)
    few.limits.max_sessions = 0 if flag else 2
    async with desk(*filter(None, [flag]), sessions=[few, PLAIN]) as at:

        async def start() -> Line | None:
            try:
                return await at.start("few")
            except errors.SessionLimitReached:
                return None

        async with asyncio.TaskGroup() as tasks:
            starts = [tasks.create_task(start()) for _ in range(8)]
        lines = [line for line in (each.result() for each in starts) if line]
        assert len(lines) == 2
        assert await at.start("plain")
        await lines[0].end()
        assert await at.start("few")


async def test_a_repeated_start_is_one_session_with_a_fresh_token() -> None:
    async with desk() as at:
        first, second = [await at.start("voice", request_id="r") for _ in range(2)]
        assert first.session_id == second.session_id
        assert first.started.session_token != second.started.session_token
        assert (await at.worker.lead()).start.session_id == first.session_id
        with pytest.raises(errors.RequestIdReused):
            await at.start("plain", request_id="r")
