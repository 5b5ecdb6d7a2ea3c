"""What becomes of sessions when their server goes down and comes back, and long afterwards."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.live import PLAIN, VOICE, Desk, Line, desk, until
from support.ports import held_port
from support.tasks import meanwhile

from agentfield import Agent, RealtimeSession
from agentfield.app import App, running
from agentfield.config import read_config
from agentfield.live.registry import Registry
from agentfield.sessions.sharing import Unowned
from agentfield.simulator.tasks import owned_tasks
from agentfield.store.sessions import SqlSessions
from agentfield.testing import (
    Fault,
    Script,
    ScriptedWorker,
    Simulator,
    connected,
    simulator,
)
from agentfield.v1 import errors, execution_pb2
from agentfield.v1 import session_service_pb2 as pb
from agentfield_sdk import Client

pytestmark = pytest.mark.integration

PAIR: dict[str, Any] = {"provider": "openai", "transport": "webrtc", "modalities": ["audio"]}
ENDED = (execution_pb2.EXECUTION_STATUS_SUCCEEDED, execution_pb2.EXECUTION_STATUS_FAILED)
STAYS = Script(tells_of_leaving=False)
SHUTDOWN_SECONDS = 4.5


class Server:
    """A server in a task of its own, started again and again at one address on one folder."""

    def __init__(self, folder: Path, port: int, provider: Simulator) -> None:
        self.address = f"127.0.0.1:{port}"
        self.folder = folder
        self.stop = asyncio.Event()
        self._provider = provider

    @asynccontextmanager
    async def up(self, *flags: str) -> AsyncIterator[Desk]:
        """Run it and be connected to it, until the block is left or it is told to stop."""
        self.stop = asyncio.Event()
        ready: asyncio.Future[App] = asyncio.get_running_loop().create_future()
        async with owned_tasks() as tasks:
            serving = tasks.create_task(self._serve(ready, flags))
            try:
                async with (
                    connected(await ready, simulator=self._provider) as plane,
                    Client(self.address) as client,
                    meanwhile() as beside,
                ):
                    worker = ScriptedWorker(plane, "desk", "find", sessions=[VOICE, PLAIN])
                    yield Desk(
                        plane=plane,
                        provider=self._provider,
                        worker=worker,
                        client=client,
                        beside=beside,
                    )
                    self.stop.set()
                    async with asyncio.timeout(SHUTDOWN_SECONDS):
                        await serving
            finally:
                self.stop.set()

    async def _serve(self, ready: asyncio.Future[App], flags: tuple[str, ...]) -> None:
        ours = [f"--grpc-bind={self.address}", "--http-bind=none", f"--data-dir={self.folder}"]
        seen = {"OPENAI_BASE_URL": self._provider.base_url, "OPENAI_API_KEY": "simulated"}
        async with running(read_config([*ours, *flags], seen)) as app:
            ready.set_result(app)
            await self.stop.wait()

    def sql(self, statement: str, *values: Any) -> list[Any]:
        """Change or read what is on disk while the server is down."""
        (file,) = self.folder.glob("*.db")
        with sqlite3.connect(file) as connection:
            rows = connection.execute(statement, values).fetchall()
        connection.close()
        return rows


@asynccontextmanager
async def server(folder: Path, script: Script = STAYS) -> AsyncIterator[Server]:
    with held_port() as port:
        async with simulator(script=script) as provider:
            yield Server(folder, port, provider)


async def test_who_waits_to_be_heard_when_the_server_goes_down_is_sent_on(tmp_path: Path) -> None:
    async with server(tmp_path) as here, here.up() as at:
        await at.worker.connect()
        await at.start()
        handler = await at.worker.lead()
        saying = at.begin(handler.say("Soon.", request_id="r"))
        await handler.interrupt()  # what was asked for before it is known by then
        here.stop.set()
        async with asyncio.timeout(1):
            with pytest.raises(errors.ServerDraining):
                await saying


async def test_a_server_that_goes_down_takes_no_further_command(tmp_path: Path) -> None:
    slow = Script(tells_of_leaving=False, faults=[Fault(on="hangup", status=None, after_ms=700)])
    async with server(tmp_path, slow) as here, here.up() as at:
        await at.worker.connect()
        live = await (await at.start("plain")).connect()
        waits = await at.start()
        handler = await at.worker.lead()
        await live.end()
        here.stop.set()
        await live.calls_are("ending")
        async with asyncio.timeout(0.5):
            for command in (handler.say("Late."), handler.update(tools=[]), waits.invoke("find")):
                with pytest.raises(errors.ServerDraining):
                    await command


async def test_nobody_is_told_that_a_session_has_ended_that_only_lost_its_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks_are_gone, go_on = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def gateway(*_: Any) -> AsyncIterator[str]:
        """Be closed when no session runs any more, and before the server takes no more calls."""
        yield "127.0.0.1:1"
        tasks_are_gone.set()
        await go_on.wait()

    monkeypatch.setattr("agentfield_gateway.serve", gateway)
    async with server(tmp_path) as here:
        async with here.up("--http-bind=127.0.0.1:0") as at:
            await at.worker.connect()
            line = await at.start()
            handler = await at.worker.lead()
            here.stop.set()
            await tasks_are_gone.wait()
            for call in (
                handler.say("Hello."),
                handler.returned(),
                line.end(),
                line.offer(),
                line.invoke("find"),
            ):
                with pytest.raises(errors.ServerDraining):
                    await call
            go_on.set()
        async with here.up() as at:
            session = await Line(at, line.started).get()
            assert (session.state, session.attempt) == ("pending", 1)


async def test_a_session_without_an_offer_goes_on_after_a_restart_with_its_handler(
    tmp_path: Path,
) -> None:
    attempts, app = [], Agent("night")

    @app.session("talk", **PAIR)
    async def talk(session: RealtimeSession) -> None:
        attempts.append(session.attempt)
        await session.say("Good evening.")
        async for turn in session:
            await session.say(f"You said: {turn.text}")

    async with server(tmp_path) as here, AsyncExitStack() as agent:
        app._server = here.address
        async with here.up() as at:
            await agent.enter_async_context(app.serving(drain_timeout=0.1))
            before = await at.start("night.talk")
            await before.until("handler.started")
            await until(lambda: _is_true(bool(attempts)))
        async with here.up() as at:
            line = await Line(at, before.started).connect()
            await line.until("agent.heard", text="Good evening.")
            await line.say("Hello?")
            await line.until("agent.heard", text="You said: Hello?")
            await line.end()
            assert attempts == [1]
            asked = [e.data["text"] for e in await line.read() if e.type == "agent.asked"]
            assert asked == ["Good evening.", "You said: Hello?"]
            await agent.aclose()


async def _is_true(value: bool) -> bool:
    return value


async def test_a_handler_may_still_call_when_the_server_is_back_after_the_end(
    tmp_path: Path,
) -> None:
    app, back, saved = Agent("night"), asyncio.Event(), []

    @app.skill()
    def save(words: str) -> str:
        return words.upper()

    @app.session("talk", **PAIR)
    async def talk(session: RealtimeSession) -> None:
        async for _ in session:
            pass
        await back.wait()
        saved.append(await session.call("night.save", words="bye"))

    async with server(tmp_path) as here, AsyncExitStack() as agent:
        app._server = here.address
        async with here.up() as at:
            await agent.enter_async_context(app.serving(drain_timeout=0.1))
            line = await (await at.start("night.talk")).connect()
            await line.until("handler.started")
            await line.end()
        async with here.up() as at:
            back.set()
            line = Line(at, line.started)
            assert await line.ended() == "api_ended"
            await at.plane.until(line.started.root_execution_id, *ENDED)
            assert saved == ["BYE"]
            await agent.aclose()


async def test_an_offer_that_is_with_the_provider_is_answered_before_the_server_goes_down(
    tmp_path: Path,
) -> None:
    late = Script(tells_of_leaving=False, faults=[Fault(on="offer", status=None, after_ms=500)])
    async with server(tmp_path, late) as here:
        async with here.up() as at:
            await at.worker.connect()
            line = await at.start("plain")
            offering = at.begin(line.offer())
            await at.offered()
            here.stop.set()
            assert (await offering).startswith("v=0")
        async with here.up() as at:
            line = Line(at, line.started)
            await line.log_until("session.live", keep=True)
            assert await line.offer() == await offering
            await line.end()


async def test_a_call_of_which_nobody_knows_is_abandoned_and_another_offer_is_waited_for(
    tmp_path: Path,
) -> None:
    late = Script(tells_of_leaving=False, faults=[Fault(on="offer", status=None, after_ms=3500)])
    async with server(tmp_path, late) as here:
        async with here.up() as at:
            await at.worker.connect()
            line = await at.start("plain")
            offering = at.begin(line.offer())
            await at.offered()
            here.stop.set()
            with pytest.raises(errors.AgentFieldError):
                await offering
        assert here.sql("SELECT state FROM provider_calls") == [("creating",)]
        async with here.up() as at:
            line = Line(at, line.started)
            await line.calls_are("abandoned")
            await until(lambda: _is_true(bool(at.provider.calls())))  # it answers after all
            await line.connect()
            await line.calls_are("abandoned", "open")
            assert at.hang_ups() == []
            await line.end()


async def test_a_call_that_was_left_open_is_hung_up_after_a_restart(tmp_path: Path) -> None:
    async with server(tmp_path) as here:
        async with here.up() as at:
            await at.worker.connect()
            line = await (await at.start("plain")).connect()
            await line.end()
            await line.calls_are("ended")
            assert len(at.hang_ups()) == 1
        changed = "UPDATE provider_calls SET state = 'open', created_at = created_at - 20000000"
        here.sql(changed)
        async with here.up() as at:
            line = Line(at, line.started)
            await line.calls_are("ended")
            assert at.hang_ups() == [await line.external_id()] * 2


async def test_a_live_call_goes_on_over_a_restart_with_its_handler(tmp_path: Path) -> None:
    attempts, app = [], Agent("night")

    @app.session("talk", **PAIR)
    async def talk(session: RealtimeSession) -> None:
        attempts.append(session.attempt)
        async for turn in session:
            await session.say(f"You said: {turn.text}")

    async with server(tmp_path) as here, AsyncExitStack() as agent:
        app._server = here.address
        async with here.up() as at:
            await agent.enter_async_context(app.serving(drain_timeout=0.1))
            before = await (await at.start("night.talk")).connect()
            await before.say("One.")
            await before.until("agent.heard", text="You said: One.")
        async with here.up() as at:
            line = Line(at, before.started)
            await line.until("provider.gap")
            await line.say("Two.")
            await line.until("agent.heard", text="You said: Two.")
            assert await line.calls() == ["open"]
            assert at.hang_ups() == []
            await line.end()
            assert attempts == [1]
            await agent.aclose()


async def test_max_duration_counts_from_when_the_call_began(tmp_path: Path) -> None:
    async with server(tmp_path) as here:
        async with here.up() as at:
            await at.worker.connect()
            line = await (await at.start("plain")).connect()
        here.sql("UPDATE provider_calls SET created_at = created_at - 7200000000")
        async with here.up() as at:
            assert await Line(at, line.started).ended() == "max_duration"


async def test_a_live_session_has_no_time_to_connect_in_after_a_restart(tmp_path: Path) -> None:
    async with server(tmp_path) as here:
        async with here.up() as at:
            await at.worker.connect()
            line = await (await at.start("plain")).connect()
        here.sql("UPDATE sessions SET connect_by = 1")
        async with here.up() as at:
            line = Line(at, line.started)
            await line.until("provider.gap")
            await line.until("session.live")
            await line.end()
            assert await line.ended() == "api_ended"


async def test_a_session_that_was_quiet_for_its_idle_timeout_ends_soon_after_a_restart(
    tmp_path: Path,
) -> None:
    async with server(tmp_path) as here:
        async with here.up() as at:
            await at.worker.connect()
            line = await (await at.start("plain")).connect()
        here.sql("UPDATE session_events SET at = at - 7200000000")
        async with here.up() as at:
            assert await Line(at, line.started).ended() == "idle_timeout"


async def test_a_call_whose_client_never_got_its_answer_is_hung_up_after_a_restart(
    tmp_path: Path,
) -> None:
    async with server(tmp_path) as here:
        async with here.up() as at:
            await at.worker.connect()
            live = await (await at.start("plain")).connect()
            coming = await (await at.start("plain")).connect()
        here.sql("UPDATE provider_calls SET answer_sdp = NULL")
        here.sql(
            "UPDATE sessions SET state = 'connecting', live_at = NULL WHERE session_id = ?",
            coming.session_id,
        )
        async with here.up() as at:
            assert await Line(at, live.started).ended() == "provider_error"
            await at.hung_up(await Line(at, live.started).external_id())
            coming = Line(at, coming.started)
            await at.hung_up(await coming.external_id())

            async def waits_for_an_offer() -> bool:
                return bool((await coming.get()).state == "pending")

            await until(waits_for_an_offer)
            await coming.offer(2)
            await coming.calls_are("ended", "open")
            await coming.end()


async def test_an_invocation_that_is_repeated_after_a_restart_is_logged_once(
    tmp_path: Path,
) -> None:
    async with server(tmp_path) as here:
        async with here.up() as at:
            await at.worker.connect()
            line = await at.start("plain")
            first = await line.invoke("find", request_id="r")
            await at.worker.report(at.worker.accept(await at.worker.take()))
            await line.until("tool.finished", execution_id=first.execution_id)
        async with here.up() as at:
            line = Line(at, line.started)
            again = await line.invoke("find", request_id="r")
            assert again.execution_id == first.execution_id
            await line.end()
            tools = [event for event in await line.types() if event.startswith("tool.")]
            assert tools == ["tool.called", "tool.started", "tool.finished"]


async def test_words_are_removed_when_their_time_is_over(tmp_path: Path) -> None:
    async with server(tmp_path) as here:
        async with here.up() as at:
            await at.worker.connect()
            line, handler = await at.led()
            await handler.say("Secret.")
            await line.end()
            await handler.returned()
            waits = await at.start("plain")
            assert [turn.text for turn in (await line.get()).turns] == ["Secret."]
        async with here.up("--retention=0.0000001") as at:
            line = Line(at, line.started)

            async def so() -> bool:
                return not (await line.get()).turns

            await until(so)
            assert await line.read() == []
            session = await line.get()
            assert (session.state, session.end_reason) == ("ended", "api_ended")
            assert (await Line(at, waits.started).get()).state == "pending"
        assert "Secret" not in str(here.sql("SELECT * FROM session_events"))


async def test_a_session_that_nobody_leads_ends_with_its_last_worker() -> None:
    async with desk() as at:
        line, _ = await at.led()
        await at.worker.goodbye()
        assert await line.ended() == "agent_lost"
        await line.calls_are("ended")


# --- sessions that change hands ---


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
