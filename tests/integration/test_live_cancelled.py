"""What is left when an rpc is cancelled, an answer breaks off, or words are far too long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import aiohttp
import grpc
import orjson
import pytest
from support.live import Desk, declared, desk, sdp, until
from support.voice import CutWire

from agentfield import Agent, RealtimeSession
from agentfield.providers.openai_realtime import OpenAIRealtime
from agentfield.telemetry import LIVE_SESSIONS
from agentfield.testing import Call, Reply, Script, ScriptedFunction, control_plane, simulator
from agentfield.v1 import errors, execution_service_pb2
from agentfield.v1 import session_service_pb2 as pb
from agentfield_sdk import Client

pytestmark = pytest.mark.integration

TIMES = 30
SPREAD = 0.0001
"""Seconds between one cancellation and the next: together they meet every moment of an rpc."""


async def cancelled(begin: Callable[[], Any], after: float) -> None:
    """Begin an rpc and cancel it after so many seconds."""
    call = begin()
    await asyncio.sleep(after)
    call.cancel()
    with suppress(asyncio.CancelledError, grpc.aio.AioRpcError):
        await call


async def test_a_start_that_is_cancelled_leaves_no_session_that_nobody_runs() -> None:
    async with desk() as at:
        plane = at.plane
        request = pb.StartSessionRequest(target="desk.plain")
        for number in range(TIMES):
            await cancelled(
                lambda: plane.sessions.StartSession(request, metadata=plane.metadata),
                0.0005 + number * SPREAD,
            )

        async def all_take_an_offer() -> bool:
            listed = await plane.call(plane.sessions.ListSessions, pb.ListSessionsRequest())
            for session in listed.sessions:
                offer = pb.RealtimeOfferRequest(session_id=session.session_id, offer_sdp=sdp())
                await plane.call(plane.sessions.RealtimeOffer, offer)
            return bool(listed.sessions)

        await until(all_take_an_offer)


async def test_a_tool_call_that_is_cancelled_is_in_the_log_if_it_runs() -> None:
    async with desk() as at:
        line, plane = await at.start("plain"), at.plane
        request = pb.InvokeToolRequest(session_id=line.session_id, tool="find")
        for number in range(TIMES):
            await cancelled(
                lambda: plane.sessions.InvokeTool(request, metadata=plane.metadata),
                0.001 + number * SPREAD,
            )

        async def all_are_told_of() -> bool:
            started = [
                event.data["execution_id"]
                for event in await logged(at, line.session_id)
                if event.type == "tool.started"
            ]
            executions = await plane.call(
                plane.executions.ListExecutions,
                execution_service_pb2.ListExecutionsRequest(target="desk.find"),
            )
            ran = [execution.execution_id for execution in executions.executions]
            return bool(ran) and sorted(ran) == sorted(started)

        await until(all_are_told_of)


async def logged(at: Desk, session_id: str) -> list[Any]:
    """Return what is in the log now."""
    events: list[Any] = []
    last = (await at.client.sessions.get(session_id)).last_sequence
    async for event in at.client.sessions.watch(session_id):
        events.append(event)
        if event.sequence >= last:
            break
    return events


@pytest.mark.parametrize("live", [True, False])
async def test_an_answer_that_breaks_off_ends_a_call_that_is_live_already(
    monkeypatch: pytest.MonkeyPatch,
    live: bool,
) -> None:
    may_break, original = asyncio.Event(), OpenAIRealtime._in_time

    async def in_time(self: OpenAIRealtime, step: Any, deadline: float) -> Any:
        if getattr(step, "__qualname__", "").endswith("ClientResponse.read"):
            await may_break.wait()
            step.close()
            step = breaks_off()
        return await original(self, step, deadline)

    async def breaks_off() -> bytes:
        raise aiohttp.ClientPayloadError("the body broke off")

    monkeypatch.setattr(OpenAIRealtime, "_in_time", in_time)
    before = LIVE_SESSIONS._value.get()
    script = Script(sideband_after_ms=0 if live else 60_000)
    async with desk(script=script) as at:
        line = await at.start("plain")
        async with asyncio.TaskGroup() as tasks:
            offering = tasks.create_task(refused(line.offer()))
            if live:
                await line.log_until("session.live", keep=True)
            await at.offered()
            may_break.set()
        assert isinstance(offering.result(), errors.ProviderFailed)
        session = await line.get()
        if live:
            assert (session.state, session.end_reason) == ("ended", "provider_error")
        else:
            assert session.state == "pending"
        await line.calls_are("ended")
        assert LIVE_SESSIONS._value.get() == before


async def refused(work: Any) -> errors.AgentFieldError | None:
    try:
        await work
    except errors.AgentFieldError as error:
        return error
    return None


async def test_a_handler_whose_session_was_deleted_while_it_was_away_is_over() -> None:
    seen: list[str] = []
    async with (
        simulator() as provider,
        control_plane("--agent-grace=60", simulator=provider) as at,
        CutWire(at.grpc_address).laid() as wire,
        Client(at.grpc_address) as client,
    ):
        app = Agent("desk", server=wire.address)

        @app.session("away", provider="openai", transport="webrtc")
        async def away(session: RealtimeSession) -> None:
            seen.append("began")
            async for _ in session:
                pass
            seen.append("over")

        async with app.serving():
            started = await client.sessions.start("desk.away")
            await until(lambda: found(seen, "began"))
            wire.cut()
            await client.sessions.end(started.session_id)
            await client.sessions.delete(started.session_id)
            wire.mend()
            await until(lambda: found(seen, "over"), seconds=20)


async def found(seen: list[str], word: str) -> bool:
    return word in seen


async def test_a_call_that_did_not_run_is_answered_with_what_the_model_was_told() -> None:
    schema = orjson.dumps({"type": "object", "required": ["what"]})
    script = Script(replies=[Reply(calls=[Call(name="find")])])
    functions = [ScriptedFunction(name="find", input_schema=schema)]
    async with desk(script=script, functions=functions) as at:
        line = await (await at.start("plain")).connect()
        await line.say("Go.")
        refusal = await line.until("tool.refused")

        with pytest.raises(errors.InvalidInput, match="'what' is a required property"):
            await line.invoke("find", call_id=refusal.data["call_id"])


async def test_request_ids_of_pages_with_one_key_do_not_meet() -> None:
    async with desk() as at:
        one, other = await at.start("plain"), await at.start("plain")

        first = await one.invoke("find", request_id="1")
        again = await one.invoke("find", request_id="1")
        second = await other.invoke("find", request_id="1")

        assert first.execution_id == again.execution_id != second.execution_id


async def test_a_text_without_end_is_cut_in_the_log_and_whole_in_the_execution() -> None:
    async with desk() as at:
        line = await at.start("plain")
        words = "x" * 500_000

        invoked = await line.invoke("find", input=orjson.dumps({"what": words}))

        called = await line.until("tool.called")
        assert called.data["truncated"] is True
        assert len(called.data["arguments"]) == 16 * 1024
        execution = await at.client.get(invoked.execution_id)
        assert execution.input == {"what": words}


async def test_a_session_with_a_limit_of_texts_is_not_cut_below_it() -> None:
    async with desk(sessions=[declared("plain", has_handler=False)]) as at:
        line = await at.start("plain")

        await line.invoke("find", input=orjson.dumps({"what": "x" * 50_000}))

        called = await line.until("tool.called")
        assert "truncated" not in called.data
        assert len(called.data["arguments"]) > 50_000
