"""What becomes of sessions when their server goes down and comes back, and long afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.live import Line, desk, until
from support.servers import server

from agentfield import Agent, RealtimeSession
from agentfield.testing import (
    Fault,
    Script,
)
from agentfield.v1 import errors, execution_pb2

pytestmark = pytest.mark.integration

PAIR: dict[str, Any] = {"provider": "openai", "transport": "webrtc", "modalities": ["audio"]}
ENDED = (execution_pb2.EXECUTION_STATUS_SUCCEEDED, execution_pb2.EXECUTION_STATUS_FAILED)


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
