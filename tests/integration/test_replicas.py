"""Two replicas on one database: what one cannot do, it has the other do; what one leaves, it takes."""

from __future__ import annotations

from typing import Any

import pytest
from support.live import until
from support.replicas import site
from support.storage import Storage

from agentfield.live import leases
from agentfield.live.streams import Streams
from agentfield.sessions.sharing import CommandRow
from agentfield.store.commands import SqlCommands
from agentfield.testing import ScriptedHandler
from agentfield.v1 import agent_service_pb2, errors
from agentfield.v1 import session_service_pb2 as pb

pytestmark = pytest.mark.integration


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have leases that run out soon."""
    monkeypatch.setattr(leases, "LEASE_SECONDS", 2.0)
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.3)
    monkeypatch.setattr(leases, "HOLD_SECONDS", 1.0)


async def test_a_session_can_be_used_by_way_of_another_replica(storage: Storage) -> None:
    async with site(storage) as at:
        line = at.over(at.b, await at.a.start("plain"))
        answer = await line.offer()
        await line.until("session.live")
        assert await line.offer() == answer

        execution = await line.invoke("find", input=b'{"q": 1}', request_id="r")
        assert (await line.invoke("find", input=b'{"q": 1}', request_id="r")) == execution
        taken = await at.a.worker.take()
        assert (taken.execution_id, taken.input) == (execution.execution_id, b'{"q": 1}')
        await at.a.worker.report(at.a.worker.accept(taken))
        await line.until("tool.finished", execution_id=execution.execution_id)

        await line.end(detail="enough")
        assert await line.ended() == "api_ended"
        assert (await line.get()).end_reason == "api_ended"
        await line.calls_are("ended")
        assert len(at.a.hang_ups()) == 1


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> list[Streams]:
    """Return what counts the streams of the servers that start from now on."""
    seen: list[Streams] = []
    make = Streams.__init__

    def noted(self: Streams, *parts: Any) -> None:
        make(self, *parts)
        seen.append(self)

    monkeypatch.setattr(Streams, "__init__", noted)
    return seen


async def test_who_watches_by_way_of_another_replica_hears_it_while_it_is_said(
    storage: Storage, streams: list[Streams]
) -> None:
    async with site(storage) as at:
        line = at.over(at.b, await at.a.start("plain"))
        await line.connect()

        async def is_known() -> bool:
            return streams[0].is_watched_elsewhere(line.session_id)

        await until(is_known)
        await line.say("How many hats?")
        await line.until("agent.heard")

        events = [event for event in line.log.events if event.type != "watch.started"]
        told = [event.type for event in events]
        for delta, first, last, text in (
            ("turn.delta", "turn.committed", "turn.transcribed", "How many hats?"),
            (
                "agent.delta",
                "agent.started",
                "agent.said",
                events[told.index("agent.said")].data["text"],
            ),
        ):
            pieces = [event.data["delta"] for event in events if event.type == delta]
            assert "".join(pieces) == text
            assert told.index(first) < told.index(delta)
            assert len(told) - told[::-1].index(delta) <= told.index(last)
        numbers = [event.sequence for event in events if event.sequence]
        assert numbers == list(range(1, len(numbers) + 1))
        await line.end()


async def test_what_the_owner_refuses_is_refused_by_whoever_was_asked(storage: Storage) -> None:
    async with site(storage) as at:
        line = at.over(at.b, await at.a.start("plain"))
        with pytest.raises(errors.ToolNotAllowed) as caught:
            await line.invoke("launch")
        assert caught.value.metadata == {"tool": "launch"}
        await line.until("tool.refused", name="launch")
        request = pb.RealtimeOfferRequest(session_id=line.session_id)
        with pytest.raises(errors.InvalidArgument, match="SDP offer body is required"):
            await at.b.plane.call(at.b.plane.sessions.RealtimeOffer, request)
        await line.end()
        with pytest.raises(errors.SessionEnded):
            await line.offer()


async def test_a_handler_may_speak_by_way_of_another_replica(storage: Storage) -> None:
    async with site(storage) as at:
        line = await at.a.start()
        handler = ScriptedHandler(at.b.plane, await at.a.worker.take_handler())
        await handler.open()
        await line.connect()
        assert (await handler.say("Good day.")).spoken_text == "Good day."
        assert await handler.update(tools=[]) == {}
        assert await handler.interrupt() is False
        await line.say("Hello?")
        await handler.until("turn.transcribed", text="Hello?")
        await handler.returned()
        await line.until("handler.returned", attempt=1)
        with pytest.raises(errors.HandlerSuperseded):
            await ScriptedHandler(at.b.plane, _older(handler)).say("Me too.")
        await line.end()


def _older(handler: ScriptedHandler) -> agent_service_pb2.StartHandler:
    start = agent_service_pb2.StartHandler()
    start.CopyFrom(handler.start)
    start.attempt = 0
    return start


async def test_a_stream_by_way_of_another_replica_counts_as_the_handlers(storage: Storage) -> None:
    async with site(storage, "--agent-grace=1.5") as at:
        line = await at.a.start()
        handler = ScriptedHandler(at.b.plane, await at.a.worker.take_handler())
        await handler.open()
        await line.connect()
        await line.say("Are you there?")
        await line.until("turn.transcribed")
        assert (await handler.say("Yes.", request_id="r")).spoken_text == "Yes."
        handler.drop()
        await line.until("handler.lost", attempt=1)
        with pytest.raises(errors.HandlerSuperseded):
            await handler.say("Still.")
        await line.end()


async def test_a_session_begins_where_a_worker_for_it_is(storage: Storage) -> None:
    async with site(storage) as at:
        line = await at.b.start()
        handler = await at.a.worker.lead()
        await line.connect()
        assert (await handler.say("Good day.")).spoken_text == "Good day."
        await line.end()
        assert await line.ended() == "api_ended"


async def test_without_a_worker_anywhere_no_session_begins(storage: Storage) -> None:
    async with site(storage) as at:
        await at.a.worker.goodbye()

        async def gone() -> bool:
            return await at.rows("SELECT worker_id FROM workers WHERE connected = 1") == []

        await until(gone)
        with pytest.raises(errors.NodeUnavailable):
            await at.b.start()
        assert await at.rows("SELECT session_id FROM sessions") == []


async def test_a_full_worker_elsewhere_gets_no_session(storage: Storage) -> None:
    async with site(storage) as at:
        at.a.worker.drop()
        await at.a.worker.connect(max_sessions=1)
        await at.b.start()
        await at.a.worker.take_handler()
        with pytest.raises(errors.NodeUnavailable):
            await at.b.start()


async def test_the_next_attempt_goes_to_a_worker_of_another_replica(storage: Storage) -> None:
    async with site(storage) as at:
        line, _ = await at.a.led()
        await at.b.worker.connect(max_sessions=1)
        await at.a.worker.goodbye()
        second = await at.b.worker.lead()
        assert second.start.attempt == 2
        await line.until("handler.started", attempt=2, instance_id="w2")
        assert (await second.say("Once more.")).spoken_text == "Once more."
        await second.returned()

        # The worker has room again.
        await at.b.start()
        assert (await at.b.worker.lead()).start.attempt == 1
        await line.end()


async def test_a_handler_is_placed_once_although_it_is_not_known_whether_that_was_stored(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = SqlCommands.put
    lost: list[str] = []

    async def stored(self: SqlCommands, row: CommandRow, *, lasts: float) -> None:
        await put(self, row, lasts=lasts)
        if row.kind == "PlaceHandler" and not lost:
            lost.append(row.command_id)
            raise errors.StoreUnavailable("whether this was stored is not known")

    monkeypatch.setattr(SqlCommands, "put", stored)
    async with site(storage) as at:
        line, _ = await at.a.led()
        await at.b.worker.connect()
        await at.a.worker.goodbye()
        handler = await at.b.worker.lead()
        assert handler.start.attempt == 2
        await line.until("handler.started", attempt=2, instance_id="w2")
        sql = "SELECT count(*) FROM session_commands WHERE kind = 'PlaceHandler'"
        assert await at.rows(sql) == [(1,)]
        await line.end()


async def test_a_session_ends_when_its_root_is_cancelled_elsewhere(storage: Storage) -> None:
    async with site(storage) as at:
        line = at.over(at.b, await at.a.start("plain"))
        await at.b.plane.cancel(line.started.root_execution_id)
        assert await line.ended() == "api_ended"


async def test_a_client_that_watches_another_replica_is_present(storage: Storage) -> None:
    async with site(storage, "--presence-grace=1") as at:
        line = at.over(at.b, await at.a.start("plain"))
        token = line.started.session_token
        request = pb.WatchSessionRequest(session_id=line.session_id)
        plane = at.b.plane.as_(token)
        watch = plane.sessions.WatchSession(request, metadata=plane.metadata)
        await watch.read()
        over = at.over(at.a, line)
        await over.until("client.watching", watching=True)
        await at.second.stop()
        await over.until("client.watching", watching=False)
        assert await over.ended() == "client_lost"


async def test_a_replica_that_stops_hands_its_sessions_over_at_once(storage: Storage) -> None:
    async with site(storage) as at:
        line = await at.a.start("plain")
        owner, epoch = await at.owner(line)
        await at.first.stop()
        over = at.over(at.b, line)
        await over.connect()
        assert await at.owner(over) != (owner, epoch)
        await over.end()
        assert await over.ended() == "api_ended"


@pytest.mark.usefixtures("quick")
async def test_a_replica_that_is_cut_off_lets_go_and_writes_nothing(storage: Storage) -> None:
    async with site(storage) as at:
        line = await at.a.start("plain")
        owner, epoch = await at.owner(line)
        at.first.database.is_cut = True

        async def taken() -> bool:
            return (await at.owner(line))[1] > epoch

        await until(taken)
        over = at.over(at.b, line)
        await over.connect()
        at.first.database.is_cut = False
        await over.invoke("find")

        async def back() -> bool:
            return await at.rows(
                "SELECT count(*) FROM replicas WHERE lease_until > ?", at.first.database.now()
            ) == [(2,)]

        await until(back)
        assert await at.a.client.sessions.get(line.session_id)
        await at.over(at.a, line).end()
        assert await over.ended() == "api_ended"
        epochs = await at.rows(
            "SELECT owner_epoch FROM session_events WHERE session_id = ? ORDER BY sequence",
            line.session_id,
        )
        assert epochs == sorted(epochs)
        assert owner not in {row[0] for row in await at.rows("SELECT replica_id FROM replicas")}


@pytest.mark.usefixtures("quick")
async def test_sessions_are_taken_up_once_when_the_database_was_away_for_all(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So long that they are looked for while the lease is held and the database is away.
    monkeypatch.setattr(leases, "HOLD_SECONDS", 1.7)
    async with site(storage) as at:
        line = await at.a.start("plain")
        await line.connect()
        _, epoch = await at.owner(line)
        at.first.database.is_cut = at.second.database.is_cut = True

        async def given_up() -> bool:
            sql = "SELECT replica_id FROM replicas WHERE lease_until > ?"
            return await at.rows(sql, at.database.now()) == []

        await until(given_up)
        at.first.database.is_cut = at.second.database.is_cut = False
        over = at.over(at.b, line)
        for _ in range(2):
            await over.until("session.live")
        await over.say("Hello?")
        await over.until("turn.transcribed", text="Hello?")
        assert await at.owner(line) == ((await at.owner(line))[0], epoch + 1)
        await over.end()


@pytest.mark.usefixtures("quick")
async def test_what_an_owner_was_asked_before_it_was_cut_off_is_done_by_the_next(
    storage: Storage,
) -> None:
    async with site(storage) as at:
        line = at.over(at.b, await at.a.start("plain"))
        at.first.database.is_cut = True
        offering = at.b.begin(line.offer())
        invoking = at.b.begin(line.invoke("find", request_id="r"))
        answer = await offering
        execution = await invoking
        assert await line.offer() == answer
        assert await line.invoke("find", request_id="r") == execution
        await line.until("session.live")
        assert len(at.b.offers()) == 1
        at.first.database.is_cut = False
        await line.end()
        types = await line.types()
        assert (types.count("tool.called"), types.count("session.ended")) == (1, 1)


async def test_who_waits_for_an_owner_is_sent_on_when_the_server_goes_down(
    storage: Storage,
) -> None:
    async with site(storage) as at:
        line = at.over(at.b, await at.a.start("plain"))
        at.first.database.is_cut = True
        ending = at.b.begin(line.end())

        async def asked() -> bool:
            return await at.rows("SELECT kind FROM session_commands") == [("EndSession",)]

        await until(asked)
        stopping = at.b.begin(at.second.stop())
        with pytest.raises(errors.ServerDraining):
            await ending
        await stopping
        at.first.database.is_cut = False
        assert await at.over(at.a, line).ended() == "api_ended"
