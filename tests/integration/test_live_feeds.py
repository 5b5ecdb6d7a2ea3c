"""Watching a session: everything in its order, whoever is slow, late or gone."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from support.live import Line, desk

from agentfield.testing import Reply, Script, ScriptedHandler
from agentfield.v1 import errors
from agentfield.v1 import session_service_pb2 as pb
from agentfield_sdk import SessionEvent
from agentfield_sdk.values import value_of

pytestmark = pytest.mark.integration

CHANGES, AT_ONCE = 1500, 50
WORDS = "word " * 1500


async def change_much(handler: ScriptedHandler) -> None:
    """Put more into the log than is kept for a reader in memory, and on the way to it."""
    for _ in range(CHANGES // AT_ONCE):
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(handler.update(instructions=WORDS))


async def rest_of(watch: Any) -> list[SessionEvent]:
    """Return what a watch still has, to its end."""
    events = []
    while (message := await watch.read()) is not grpc.aio.EOF:
        events.append(value_of(message.event))
    return events


async def test_a_slow_reader_gets_all_of_the_log_and_nothing_twice() -> None:
    async with desk() as at:
        line = await at.start()
        watch = line.watch()
        assert value_of((await watch.read()).event).type == "watch.started"
        handler = await at.worker.lead()
        await change_much(handler)
        await line.end()
        sequences = [event.sequence for event in await rest_of(watch)]
        last = (await line.get()).last_sequence
        assert last > CHANGES
        assert sequences == list(range(1, last + 1))


async def test_the_pieces_of_what_is_said_are_for_those_who_watch_and_not_in_the_log() -> None:
    async with desk(script=Script(replies=[Reply(when="hi", says="One two three.")])) as at:
        line = await (await at.start("plain")).connect()
        await line.say("Hi.")
        await line.until("agent.heard")
        pieces = [e.data["delta"] for e in line.log.events if e.type == "agent.delta"]
        assert "".join(pieces) == "One two three."
        numbers = [e.sequence for e in line.log.events if e.type.endswith(".delta")]
        assert set(numbers) == {0}
        await line.end()
        logged = await line.read()
        assert not [event for event in logged if event.type.endswith(".delta")]
        assert [event.sequence for event in logged] == list(range(1, len(logged) + 1))


async def test_a_watch_of_an_ended_session_replays_and_ends() -> None:
    async with desk() as at:
        line = await at.start("plain")
        await line.end()
        assert await line.types() == ["session.started", "session.ended"]
        assert [event.sequence for event in await line.read(after=1)] == [2]
        assert await line.read(after=2) == []
        assert await line.read(after=99) == []
        with pytest.raises(errors.InvalidArgument):
            await line.read(after=-1)


async def test_a_watch_that_begins_beyond_the_end_ends_with_the_session() -> None:
    async with desk() as at:
        line = await at.start("plain")
        watch = line.watch(after=99)
        assert value_of((await watch.read()).event).type == "watch.started"
        await line.end()
        async with asyncio.timeout(1):
            assert await rest_of(watch) == []


async def test_what_is_left_of_a_deleted_session_has_no_log() -> None:
    async with desk() as at:
        line, handler = await at.led()
        delete = pb.DeleteSessionRequest(session_id=line.session_id)
        with pytest.raises(errors.SessionActive):
            await at.plane.call(at.plane.sessions.DeleteSession, delete)
        await handler.say("Secret.")
        await line.end()
        await handler.returned()
        left = (await at.plane.call(at.plane.sessions.DeleteSession, delete)).session
        assert left.session_id == line.session_id
        assert await line.read() == []
        session = await line.get()
        assert (session.state, session.end_reason, session.turns) == ("ended", "api_ended", ())
        again = (await at.plane.call(at.plane.sessions.DeleteSession, delete)).session
        assert again.session_id == line.session_id


async def test_a_watch_of_a_session_that_is_deleted_ends() -> None:
    async with desk() as at:
        line, _ = await at.led()
        watch = line.watch()
        await watch.read()
        await line.end()
        delete = pb.DeleteSessionRequest(session_id=line.session_id)
        await at.plane.call(at.plane.sessions.DeleteSession, delete)
        async with asyncio.timeout(1):
            await rest_of(watch)


def watch_with_token(line: Line) -> Any:
    """Watch as the page does."""
    bearer = (("authorization", f"Bearer {line.started.session_token}"),)
    request = pb.WatchSessionRequest(session_id=line.session_id)
    return line.plane.sessions.WatchSession(request, metadata=bearer)


async def test_a_client_is_lost_when_its_last_watch_is_gone_and_not_before() -> None:
    async with desk("--presence-grace=0.3") as at:
        line, handler = await at.led()
        first, second = watch_with_token(line), watch_with_token(line)
        for watch in (first, second):
            await watch.read()
        first.cancel()
        await handler.say("Longer than the grace.")
        assert (await line.get()).state == "live"
        second.cancel()
        third = watch_with_token(line)
        await third.read()
        await handler.say("Longer than the grace.")
        assert (await line.get()).state == "live"
        third.cancel()
        assert await line.ended() == "client_lost"
        await line.calls_are("ended")
