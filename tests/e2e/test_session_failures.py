"""What becomes of calls when wires are cut, processes are killed, or limits are reached."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.storage import Storage
from support.voice import CutWire, VoiceWorld, is_hang_up, voice_world

from agentfield import Client
from agentfield.simulator import Call, Fault, Reply, Script
from agentfield.simulator.caller import calling as placing
from agentfield.testing import calling
from agentfield_sdk import SessionEnded

pytestmark = pytest.mark.e2e

START = "/api/v1/session-targets/{}/start"
SDP = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 96\r\n"


@pytest.fixture(name="world")
async def _world(tmp_path: Path, storage: Storage) -> AsyncIterator[VoiceWorld]:
    async with voice_world(tmp_path, storage=storage) as processes:
        yield processes


async def test_a_cut_wire_is_mended_without_the_handler_noticing(
    world: VoiceWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.server(grace=20.0)
    async with CutWire(world.grpc_address).laid() as wire:
        desk_process = await world.processes.agent("desk.py", grpc=wire.address)
        async with calling(world, "desk.steady") as call:
            call.say("One.")
            await call.until("turn.transcribed")
            wire.cut()
            call.say("Two.")
            await call.until("turn.transcribed")
            wire.mend()
            world.processes.gate.touch()
            await call.until("agent.heard", text="First: One.", seconds=20)
            wire.cut()
            wire.mend()
            await call.until("agent.heard", text="Second: Two.", seconds=20)
            await call.until("handler.returned", attempt=1)
        assert desk_process.log.read_text()

    assert world.notes() == [{"attempt": 1}, {"attempt": 1, "turns": ["One.", "Two."]}]


async def test_a_killed_worker_hands_its_session_to_another_one_with_what_was_said(
    world: VoiceWorld,
) -> None:
    await world.server(grace=0.5)
    first, second = await world.agents("desk.py", "desk.py")
    async with calling(world, "desk.echo") as call:
        started = await call.until("handler.started", attempt=1)
        call.say("One.")
        await call.until("agent.heard", text="You said: One.")
        running = await instance_of(world, started.data["instance_id"], first, second)
        await running.kill()
        call.say("Two.")
        await call.until("handler.lost", attempt=1)
        await call.until("handler.started", attempt=2)
        await call.until("agent.heard", text="You said: Two.")
        call.say("Three.")
        await call.until("agent.heard", text="You said: Three.")

    history = [each["history"] for each in world.notes() if "history" in each]
    assert history[0] == []
    assert history[1][:2] == ["One.", "You said: One."]
    heard = [e.data["text"] for e in call.events if e.type == "agent.heard"]
    assert heard == ["You said: One.", "You said: Two.", "You said: Three."]


async def instance_of(world: VoiceWorld, instance_id: str, *processes: Any) -> Any:
    """Return the process that is this instance: the node lists its workers as they registered."""
    async with Client(world.grpc_address) as client:
        (node,) = [node for node in await client.nodes() if node.node_id == "desk"]
    order = [worker.instance_id for worker in node.workers]
    return processes[order.index(instance_id)]


async def test_without_any_worker_left_the_session_ends_and_the_call_with_it(
    world: VoiceWorld,
) -> None:
    await world.server(grace=0.3)
    (only,) = await world.agents("desk.py")
    async with calling(world, "desk.echo") as call:
        await only.kill()
        assert await call.ended() == "agent_lost"
    await world.hung_up()
    status, told = await world.rest("POST", START.format("desk.echo"))
    assert (status, told["reason"]) == (503, "NODE_UNAVAILABLE")


@pytest.mark.parametrize(
    ("target", "reason"),
    [("desk.idle", "idle_timeout"), ("desk.short", "max_duration")],
)
async def test_a_limit_ends_the_session_and_the_providers_call(
    world: VoiceWorld, target: str, reason: str
) -> None:
    await world.desk()
    async with calling(world, target) as call:
        assert await call.ended() == reason
        await world.hung_up()
        session = await settled(world, call.session_id)
        assert [each.state for each in session.provider_calls] == ["ended"]


async def settled(world: VoiceWorld, session_id: str) -> Any:
    """Return a session once none of its provider calls is under way."""
    async with Client(world.grpc_address) as client:
        async with asyncio.timeout(20):
            while True:
                session = await client.sessions.get(session_id)
                states = {call.state for call in session.provider_calls}
                if not states & {"creating", "open", "ending"}:
                    return session
                await asyncio.sleep(0.02)


async def test_a_call_that_does_not_become_live_in_time_is_hung_up(world: VoiceWorld) -> None:
    await world.desk(script=Script(sideband_after_ms=60_000))
    _, started = await world.rest("POST", START.format("desk.brief"))
    async with placing() as caller:
        status, answer = await world.rest(
            "POST", started["offer_url"], data=(await caller.offer()).encode()
        )
        assert (status, answer[:3]) == (200, "v=0")
        await world.hung_up()
    session = await settled(world, started["session_id"])
    assert (session.state, session.end_reason) == ("ended", "connect_timeout")


async def test_a_session_that_gets_no_offer_ends(world: VoiceWorld) -> None:
    await world.desk()
    _, started = await world.rest("POST", START.format("desk.brief"))
    async with Client(world.grpc_address) as client:
        events = [event async for event in client.sessions.watch(started["session_id"])]
    assert events[-1].data["reason"] == "connect_timeout"
    assert not [entry for entry in world.simulator.journal.entries() if is_hang_up(entry)]


async def test_a_client_whose_last_watch_is_gone_for_too_long_is_lost(world: VoiceWorld) -> None:
    await world.desk("--presence-grace=0.5")
    async with placing() as caller, Client(world.grpc_address) as stranger:
        _, started = await world.rest("POST", START.format("desk.model"))
        offer = (await caller.offer()).encode()
        _, answer = await world.rest("POST", started["offer_url"], data=offer)
        await caller.take(answer)
        watching = stranger.sessions.watch(started["session_id"])
        await anext(watching)
        async with Client(world.grpc_address, api_key=started["session_token"]) as page:
            async for event in page.sessions.watch(started["session_id"]):
                if event.type == "session.live":
                    break
        ended = [event async for event in watching if event.type == "session.ended"]
    assert ended[0].data["reason"] == "client_lost"
    await world.hung_up()


async def test_a_slow_tool_times_out_and_the_model_is_told(world: VoiceWorld) -> None:
    slow = Reply(when="slow", calls=[Call(name="slowly", arguments={"seconds": 30})])
    await world.desk(script=Script(replies=[slow, Reply(when="TIMED_OUT", says="Too slow.")]))
    async with calling(world, "desk.hasty") as call:
        call.say("Be slow.")
        await call.until("tool.finished", status="timeout")
        await call.until("agent.heard", text="Too slow.")


async def test_over_the_limit_of_sessions_nothing_starts_until_one_has_ended(
    world: VoiceWorld,
) -> None:
    await world.desk()
    start = START.format("desk.single")
    status, started = await world.rest("POST", start)
    assert status == 201
    status, told = await world.rest("POST", start)
    assert (status, told["reason"]) == (429, "SESSION_LIMIT_REACHED")
    await world.rest("POST", f"/api/v1/session-instances/{started['session_id']}/end")
    status, _ = await world.rest("POST", start)
    assert status == 201


async def test_a_hang_up_that_fails_is_repeated_until_it_is_confirmed(world: VoiceWorld) -> None:
    await world.desk(script=Script(faults=[Fault(on="hangup", status=500, times=2)]))
    async with calling(world, "desk.model") as call:
        await call.hang_up()
        session = await settled(world, call.session_id)
    assert [each.state for each in session.provider_calls] == ["ended"]
    assert sum(map(is_hang_up, world.simulator.journal.entries())) == 3


async def test_what_is_wrong_with_a_start_is_said(world: VoiceWorld) -> None:
    await world.desk()
    for target, body, status, reason, text in (
        ("desk", {}, 400, "INVALID_ARGUMENT", "session target must be <node>.<session>"),
        ("nobody.x", {}, 404, "NODE_NOT_FOUND", "agent not found"),
        ("stock.x", {}, 404, "TARGET_NOT_FOUND", "agent has no registered sessions"),
        ("desk.x", {}, 404, "TARGET_NOT_FOUND", "session not registered"),
        (
            "desk.model",
            {"provider": "openrouter", "transport": "webrtc"},
            400,
            "UNSUPPORTED_SESSION_TRANSPORT",
            (
                "Unsupported session transport 'webrtc' for provider 'openrouter'. Supported "
                "transports: audio_turns. AgentField does not infer or switch providers; set "
                "provider and transport explicitly."
            ),
        ),
        (
            "desk.model",
            {"transport": "websocket"},
            400,
            "INVALID_ARGUMENT",
            (
                "session desk.model is registered for provider=openai transport=webrtc; "
                "requested provider=openai transport=websocket"
            ),
        ),
        (
            "desk.model",
            {"provider": "custom"},
            400,
            "UNSUPPORTED_SESSION_TRANSPORT",
            "Unknown session provider 'custom'. Known providers: openai, openrouter.",
        ),
        ("desk.sockets", {}, 501, "TRANSPORT_NOT_SERVED", "does not serve yet"),
        ("desk.model", {"metadata": []}, 400, "INVALID_ARGUMENT", "must be a JSON object"),
    ):
        for family in ("session-targets", "sessions"):
            found, told = await world.rest("POST", f"/api/v1/{family}/{target}/start", json=body)
            assert (found, told.get("reason")) == (status, reason), (target, body)
            assert text in told["error"]
    path = START.format("desk.model")
    found, told = await world.rest("POST", path, data=b"{oops")
    assert (found, told["reason"]) == (400, "INVALID_ARGUMENT")
    async with Client(world.grpc_address) as client:
        assert [session async for session in client.sessions.list()] == []


async def test_what_is_wrong_with_an_offer_is_said_before_anybody_is_called(
    world: VoiceWorld,
) -> None:
    await world.desk()
    _, started = await world.rest("POST", START.format("desk.quiet"))
    session_id = started["session_id"]
    with_channel = SDP + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
    for query, sdp, status, reason, text in (
        ("", "", 400, "INVALID_ARGUMENT", "SDP offer body is required"),
        ("", "hello", 400, "INVALID_ARGUMENT", "no SDP with audio"),
        ("", SDP + "a=x" * 30_000, 413, "PAYLOAD_TOO_LARGE", "at most 65536"),
        ("", with_channel, 400, "DATA_CHANNEL_REFUSED", "takes no data channel"),
        ("?provider=openrouter", SDP, 400, "INVALID_ARGUMENT", "the offer says provider"),
        ("?target=desk.echo", SDP, 400, "INVALID_ARGUMENT", "the offer says target"),
    ):
        for family in ("session-instances", "sessions"):
            path = f"/api/v1/{family}/{session_id}/realtime-offer{query}"
            found, told = await world.rest("POST", path, data=sdp.encode())
            assert (found, told.get("reason")) == (status, reason), (query, sdp[:20])
            assert text in told["error"]
    path = "/api/v1/session-instances/sess_none/realtime-offer"
    found, told = await world.rest("POST", path, data=SDP.encode())
    assert (found, told["reason"]) == (404, "SESSION_NOT_FOUND")
    assert [e for e in world.simulator.journal.entries() if e.connection.startswith("http")] == []


async def test_a_provider_that_refuses_is_named_and_the_client_may_offer_again(
    world: VoiceWorld,
) -> None:
    await world.desk(script=Script(faults=[Fault(on="offer", status=503, times=2)]))
    _, started = await world.rest("POST", START.format("desk.model"))
    async with placing() as caller:
        offer = (await caller.offer()).encode()
        status, told = await world.rest("POST", started["offer_url"], data=offer)
        assert (status, told["reason"]) == (502, "PROVIDER_FAILED")
        assert told["details"]["boundary"] == "control-plane -> realtime provider"
        status, answer = await world.rest("POST", started["offer_url"], data=offer)
        assert status == 200
        again = await world.rest("POST", started["offer_url"], data=offer)
        assert again == (200, answer)
        await caller.take(answer)
        async with Client(world.grpc_address) as client:
            async for event in client.sessions.watch(started["session_id"]):
                if event.type == "session.live":
                    break
            other = SDP.encode()
            status, told = await world.rest("POST", started["offer_url"], data=other)
            assert (status, told["reason"]) == (409, "SESSION_ALREADY_CONNECTED")
            await client.sessions.end(started["session_id"])
            status, told = await world.rest("POST", started["offer_url"], data=offer)
            assert (status, told["reason"]) == (409, "SESSION_ENDED")
            with pytest.raises(SessionEnded):
                await client.sessions.invoke_tool(started["session_id"], "look_up")


async def test_what_is_wrong_with_a_tool_call_is_said(world: VoiceWorld) -> None:
    calls = Reply(when="hats", calls=[Call(name="look_up", arguments={"thing": "hat"})])
    await world.desk(script=Script(replies=[calls]))
    async with calling(world, "desk.model") as call:
        path = f"/api/v1/session-instances/{call.session_id}/tools"
        wrong: list[tuple[str, dict[str, Any], int, str]] = [
            ("look_up", {"target": "desk.slowly"}, 400, "INVALID_ARGUMENT"),
            ("look_up", {"input": 5}, 400, "INVALID_ARGUMENT"),
            ("x", {"call_id": "call_none"}, 404, "UNKNOWN_TOOL_CALL"),
            ("x", {}, 403, "TOOL_NOT_ALLOWED"),
        ]
        body: dict[str, Any]
        for tool, body, status, reason in wrong:
            found, told = await world.rest("POST", f"{path}/{tool}", json=body)
            assert (found, told.get("reason")) == (status, reason), (tool, body)
        body = {"target": "desk.look_up", "input": {"thing": "cap"}}
        status, told = await world.rest("POST", f"{path}/any_label", json=body)
        assert (status, told["target"], told["run_id"]) == (202, "desk.look_up", call.run_id)
        call.say("How many hats?")
        called = await call.until("tool.called", source="model")
        body = {"call_id": called.data["call_id"], "input": {"thing": "forged"}}
        status, told = await world.rest("POST", f"{path}/ignored", json=body)
        assert status == 202
        async with Client(world.grpc_address) as client:
            execution = await client.get(told["execution_id"])
        assert execution.input == {"thing": "hat"}


async def test_a_server_without_a_key_says_which_one_is_missing(
    world: VoiceWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    await world.desk()
    _, started = await world.rest("POST", START.format("desk.model"))
    status, told = await world.rest("POST", started["offer_url"], data=SDP.encode())
    assert (status, told["reason"]) == (502, "PROVIDER_KEY_MISSING")
    assert told["error"] == "OPENAI_API_KEY is required for provider=openai transport=webrtc"
