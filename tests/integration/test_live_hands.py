"""What becomes of sessions that change hands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.live import Line, desk
from support.servers import server

from agentfield.live.registry import Registry
from agentfield.sessions.sharing import Unowned
from agentfield.store.sessions import SqlSessions
from agentfield.v1 import errors
from agentfield.v1 import session_service_pb2 as pb

pytestmark = pytest.mark.integration


@pytest.fixture
def registries(monkeypatch: pytest.MonkeyPatch) -> list[Registry]:
    """Return the registries of the servers that start from now on, in their order."""
    seen: list[Registry] = []
    make = Registry.__init__

    def noted(self: Registry, *parts: Any, **facts: Any) -> None:
        make(self, *parts, **facts)
        seen.append(self)

    monkeypatch.setattr(Registry, "__init__", noted)
    return seen


async def take_up(registry: Registry, line: Line) -> None:
    session = await registry.shared.store.get(line.session_id)
    assert session is not None
    await registry.take_up(session)


async def test_a_session_that_is_let_go_and_taken_up_again_goes_on_with_its_handler(
    registries: list[Registry],
) -> None:
    async with desk() as at:
        line = await at.start()
        handler = await at.worker.lead()
        saying = at.begin(handler.say("Soon.", request_id="r"))
        await handler.interrupt()  # what was asked for before it is known by then
        await registries[0].let_go(line.session_id)
        with pytest.raises(errors.ServerDraining):
            await saying
        await take_up(registries[0], line)
        saying = at.begin(handler.say("Soon.", request_id="r"))
        await line.connect()
        assert (await saying).spoken_text == "Soon."
        await line.end()


async def test_those_who_follow_a_session_that_is_let_go_are_sent_on(
    registries: list[Registry],
) -> None:
    async with desk() as at:
        line = await at.start("plain")
        await line.until("session.started")
        await registries[0].let_go(line.session_id)
        with pytest.raises(grpc.aio.AioRpcError, match="goes on without this session"):
            await line.until("session.ended")
        assert (await line.get()).state == "pending"
        await take_up(registries[0], line)
        await line.end()


async def test_who_is_not_the_owner_any_more_ends_no_call(registries: list[Registry]) -> None:
    async with desk() as at:
        line = await (await at.start("plain")).connect()
        session = await registries[0].shared.store.get(line.session_id)
        assert session is not None
        before = replace(session, owner_epoch=session.owner_epoch - 1, generation=0)
        with pytest.raises(Unowned):
            await registries[0].take_up(before)
        await line.calls_are("open")
        await line.end()


async def test_a_session_whose_log_cannot_be_understood_ends_and_takes_nobody_with_it(
    tmp_path: Path,
) -> None:
    async with server(tmp_path) as here:
        async with here.up() as at:
            await at.worker.connect()
            broken = await (await at.start("plain")).connect()
            sound = await (await at.start("plain")).connect()
        (number,) = here.sql(
            "UPDATE sessions SET last_sequence = last_sequence + 1 WHERE session_id = ?"
            " RETURNING last_sequence",
            broken.session_id,
        )[0]
        here.sql(
            "INSERT INTO session_events VALUES (?, ?, 1, 'item.added', 1, '{}')",
            *(broken.session_id, number),
        )
        async with here.up() as at:
            broken, sound = Line(at, broken.started), Line(at, sound.started)
            assert await broken.ended() == "internal_error"
            await broken.calls_are("ended")
            await sound.until("provider.gap")
            await sound.end()


async def test_a_start_that_is_repeated_begins_what_was_stored_although_nobody_knew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = SqlSessions.start
    lost: list[str] = []

    async def start(self: SqlSessions, *parts: Any) -> Any:
        session, created = await store(self, *parts)
        if not lost:
            lost.append(session.session_id)
            raise errors.StoreUnavailable("whether this was stored is not known")
        return session, created

    monkeypatch.setattr(SqlSessions, "start", start)
    async with desk() as at:
        await at.worker.connect()
        request = pb.StartSessionRequest(target="desk.plain", request_id="r")
        with pytest.raises(errors.StoreUnavailable):
            await at.plane.call(at.plane.sessions.StartSession, request)
        started = await at.plane.call(at.plane.sessions.StartSession, request)
        assert [started.session_id] == lost
        line = await Line(at, started).connect()
        await line.end()
        assert await line.ended() == "api_ended"


async def test_a_session_that_is_taken_up_twice_runs_once(registries: list[Registry]) -> None:
    async with desk() as at:
        line = await at.start("plain")
        running = registries[0].find(line.session_id)
        await take_up(registries[0], line)
        assert registries[0].find(line.session_id) is running
        await line.end()
        assert (await line.types()).count("session.ended") == 1
