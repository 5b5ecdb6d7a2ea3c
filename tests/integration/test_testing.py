"""What users test their voice agents with: over real gRPC, REST and WebRTC."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agentfield import Agent, Client, RealtimeSession
from agentfield.process.flags import ConfigError
from agentfield.testing import (
    Call,
    ControlPlane,
    Fault,
    Reply,
    Script,
    ScriptedHandler,
    ScriptedWorker,
    VoiceCall,
    calling,
    control_plane,
    simulator,
)
from agentfield.v1 import errors, session_pb2

pytestmark = pytest.mark.integration

SCRIPT = Script(heard=["Where is my hat?"], replies=[Reply(when="lamp", calls=[Call(name="find")])])
VOICE = session_pb2.SessionDeclaration(
    name="voice",
    provider="openai",
    transport="webrtc",
    model="gpt-realtime-2",
    modalities=["audio"],
    tools=["find"],
    has_handler=True,
)


@asynccontextmanager
async def planned(script: Script = SCRIPT, *flags: str) -> AsyncIterator[ControlPlane]:
    async with (
        simulator(script=script) as provider,
        control_plane(*flags, simulator=provider) as plane,
    ):
        yield plane


@asynccontextmanager
async def led(script: Script = SCRIPT) -> AsyncIterator[tuple[VoiceCall, ScriptedHandler]]:
    """Place a call to a node that does nothing by itself, and lead it."""
    async with (
        planned(script) as plane,
        ScriptedWorker(plane, "support", "find", sessions=[VOICE]) as worker,
        calling(plane, "support.voice", metadata={"who": "ann"}) as call,
    ):
        handler = await worker.lead()
        yield call, handler


async def test_agents_and_clients_find_the_plane_by_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AGENTFIELD_GRPC", "elsewhere:1")
    app = Agent("hello")

    @app.skill
    def greet(name: str) -> str:
        return f"Hello {name}!"

    async with control_plane() as plane, app.serving(), Client() as client:
        assert os.environ["AGENTFIELD_GRPC"] == plane.grpc_address
        assert await client.call("hello.greet", name="Ada") == "Hello Ada!"
    assert os.environ["AGENTFIELD_GRPC"] == "elsewhere:1"


async def test_flags_are_those_of_the_server() -> None:
    with pytest.raises(ConfigError, match="must be HOST:PORT"):
        async with control_plane("--http-bind=nowhere"):
            pass
    async with control_plane("--http-bind=none") as plane:
        assert plane.http_address is None


async def test_real_audio_is_heard_on_both_sides() -> None:
    app = Agent("support")

    @app.session("voice", provider="openai", transport="webrtc", model="m", modalities=["audio"])
    async def voice(session: RealtimeSession) -> None:
        turn = await session.input()
        await session.say(f"You said: {turn.text}")

    async with (
        planned() as plane,
        app.serving(),
        calling(plane, "support.voice", data_channel=True) as call,
    ):
        call.speak()
        await call.hears_voice()
        await call.until("agent.heard")
        await call.hears_silence()

        said = [("user", "Where is my hat?"), ("agent", "You said: Where is my hat?")]
        assert await call.turns() == said


@asynccontextmanager
async def greeted(greeting: str) -> AsyncIterator[VoiceCall]:
    """Place a call to a handler that speaks first, then answers once, and ends the session."""
    app = Agent("support")

    @app.session("voice", provider="openai", transport="webrtc", model="m", modalities=["audio"])
    async def voice(session: RealtimeSession) -> None:
        said = await session.say(greeting) if greeting else None
        if said and said.outcome == "interrupted":
            turn = await session.input()
            await session.say(f"You said: {turn.text}")
        await session.end()

    async with planned() as plane, app.serving(), calling(plane, "support.voice") as call:
        yield call


async def test_a_greeting_is_heard() -> None:
    async with greeted("Hello, this is the hat shop.") as call:
        await call.hears_voice()
        await call.until("agent.heard", text="Hello, this is the hat shop.")


async def test_a_greeting_that_is_over_has_been_heard() -> None:
    async with greeted("Hello, this is the hat shop.") as call:
        assert await call.ended() == "agent_ended"
        await call.hears_voice()


async def test_a_long_greeting_does_not_delay_the_call_and_can_be_interrupted() -> None:
    async with greeted("Hello, and do not hang up: all our hatters are busy. " * 10) as call:
        await call.hears_voice()
        call.speak()
        greeting = await call.until("agent.heard", interrupted=True)
        assert 0 < greeting.data["heard_ms"] < 10_000
        await call.until("agent.heard", text="You said: Where is my hat?")
        await call.ended()


async def test_a_handler_that_greets_and_ends_at_once_leaves_a_call_that_has_ended() -> None:
    async with greeted("Hi.") as call:
        assert await call.ended() == "agent_ended"
        assert await call.turns() == [("agent", "Hi.")]


async def test_a_handler_that_ends_at_once_is_not_heard() -> None:
    async with greeted("") as call:
        assert await call.ended() == "agent_ended"
        missed = r"The agent was not heard before the session ended \(agent_ended\)"
        with pytest.raises(AssertionError, match=missed):
            await call.hears_voice()


async def test_what_the_caller_does_not_hear_fails_with_the_log() -> None:
    async with led() as (call, handler):
        with pytest.raises(
            AssertionError, match=r"The agent was not heard within 0 s\."
        ) as unheard:
            await call.hears_voice(seconds=0)
        assert "The session's log:\n" in str(unheard.value)
        assert "session.live" in str(unheard.value)
        async with asyncio.TaskGroup() as tasks:
            speaking = tasks.create_task(handler.say("A story that takes a while to tell. " * 5))
            await call.hears_voice()
            with pytest.raises(AssertionError, match="The agent did not fall silent within 0 s"):
                await call.hears_silence(seconds=0)
            assert await handler.interrupt()
            await speaking
        await call.hears_silence()


async def test_a_handler_can_be_led_by_hand() -> None:
    async with led() as (call, handler):
        call.say("Hello?")
        turn = await handler.until("turn.transcribed", text="Hello?")
        assert turn.data["item_id"]
        assert (await handler.say("Yes!", mood="fine")).heard_text == "Yes!"
        heard = await call.until("agent.heard", text="Yes!")
        assert heard.data["metadata"] == {"mood": "fine"}
        assert (await handler.respond("Say exactly: “Bye.”")).turn.text == "Bye."
        assert await handler.update(tools=[]) == {}
        assert not await handler.interrupt()
        handler.drop()
        assert (await handler.open()).state == session_pb2.SESSION_STATE_LIVE
        await handler.returned()
        await call.until("handler.returned", attempt=1)


async def test_the_tools_and_the_workflow_of_a_call_are_told() -> None:
    async with (
        planned() as plane,
        ScriptedWorker(plane, "support", "find", sessions=[VOICE]) as worker,
        calling(plane, "support.voice") as call,
    ):
        handler = await worker.lead()
        await handler.returned()
        await call.until("handler.returned")
        call.say("And my lamp?")
        await worker.report(worker.accept(await worker.take()), b'"on Tuesday"')
        await call.until("tool.delivered")
        mine = await call.invoke("find", words="my hat")
        await worker.fail(worker.accept(await worker.take()), "lost")
        await call.until("tool.finished", execution_id=mine)

        model, page = await call.tools()
        assert (model.source, model.target, model.arguments) == ("model", "support.find", {})
        assert (model.status, model.output) == ("succeeded", "on Tuesday")
        assert (page.source, page.status, page.arguments) == (
            "client",
            "failed",
            {"words": "my hat"},
        )
        workflow = await call.workflow()
        assert workflow.shape == ("support.voice", ("support.find",), ("support.find",))
        assert [step.status for step in workflow.children] == ["succeeded", "failed"]


async def test_a_call_is_hung_up_when_its_block_ends() -> None:
    async with led() as (call, handler):
        await call.hang_up()
        ended = await handler.until("session.ended")
        assert ended.data["reason"] == await call.ended() == "client_hangup"
        assert (await call.session()).metadata == {"who": "ann"}
        await handler.returned()
    with pytest.raises(AssertionError, match="before the session ended"):
        await call.until("agent.heard")


async def test_what_fails_in_a_call_carries_its_log() -> None:
    with pytest.raises(RuntimeError) as failure:
        async with led():
            raise RuntimeError("the test went wrong")

    (note,) = failure.value.__notes__
    assert note.startswith("The session's log:\n")
    assert "session.live" in note
    with pytest.raises(AssertionError, match=r"No agent.heard came within 0 s") as unheard:
        async with led() as (call, _):
            await call.until("agent.heard", seconds=0)
    assert "session.live" in str(unheard.value)
    assert not hasattr(unheard.value, "__notes__")


async def test_what_the_gateway_refuses_is_raised_as_its_reason() -> None:
    async with planned() as plane:
        with pytest.raises(errors.NodeNotFound):
            async with calling(plane, "nobody.voice"):
                pass
    broken = Script(faults=[Fault(on="offer", status=400, times=9)])
    with pytest.raises(errors.ProviderFailed):
        async with led(broken):
            pass


async def test_words_need_a_simulator() -> None:
    nothing: Any = None
    call = VoiceCall(
        client=nothing,
        gateway=nothing,
        caller=nothing,
        started={"session_id": "s", "run_id": "r"},
        simulator=None,
    )

    with pytest.raises(ValueError, match="Words need a simulator"):
        call.say("Hello?")
