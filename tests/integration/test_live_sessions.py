"""Sessions and the server they run in: ends, bugs, limits, shutdowns, restarts, retention."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from integration.test_live_desk import PLAIN, VOICE, Desk, Line, declared, desk, until
from support.plane import config_for, keyring, running_plane
from support.processes import free_port

from agentfield import Agent, RealtimeSession
from agentfield.app import App, running
from agentfield.config import read_config
from agentfield.identity import Caller
from agentfield.providers.openai_realtime import OpenAIRealtime
from agentfield.sessions.conversation import Conversation
from agentfield.sessions.provider import TurnCommitted
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
FAILED = execution_pb2.EXECUTION_STATUS_FAILED
SUCCEEDED = execution_pb2.EXECUTION_STATUS_SUCCEEDED
STAYS = Script(tells_of_leaving=False)


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
    """Let these methods of a session's conversation fail from its next turn on."""
    broken = False

    def breaking(name: str) -> Any:
        original = getattr(Conversation, name)

        def method(self: Conversation, *args: Any, **options: Any) -> Any:
            nonlocal broken
            if self._session_id == line.session_id:
                broken = broken or isinstance(args[0], TurnCommitted)
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
        saying = asyncio.create_task(handler.say("Nobody hears all of this. " * 5))
        await line.until("agent.said")
        break_(monkeypatch, line, *names)
        await line.say("Hello?")
        assert await line.ended() == "internal_error"
        with pytest.raises(errors.SessionEnded):
            await saying
        await line.calls_are("ended")
        assert at.hang_ups() == [await line.external_id()]
        root = await at.plane.until(line.started.root_execution_id, FAILED)
        assert root.error_reason == "INTERNAL"
        await handler.returned()
        with pytest.raises(errors.SessionEnded):
            await line.invoke("find")

        await other.say("And me?")
        await other.until("agent.heard", text="And me?")
        assert await (await at.start("plain")).connect()


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


async def test_a_caller_has_no_more_sessions_than_it_may(tmp_path: Path) -> None:
    callers = (
        Caller(name="web", roles=frozenset({"client"})),
        Caller(name="app", roles=frozenset({"client"})),
        Caller(name="bot", roles=frozenset({"agent"}), nodes=("*",)),
    )
    config = replace(config_for(tmp_path), keyring=keyring(*callers), max_sessions_per_caller=2)
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


# --- shutdowns and restarts ---


class Server:
    """A server in a task of its own, which a test stops and starts again."""

    def __init__(self, folder: Path, provider: Simulator) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self.folder = folder
        self.provider = provider

    @asynccontextmanager
    async def up(self, *flags: str) -> AsyncIterator[Desk]:
        """Run it, and connect to it for longer than it runs; ``stopping`` begins its end."""
        ours = [f"--grpc-bind={self.address}", "--http-bind=none", f"--data-dir={self.folder}"]
        seen = {"OPENAI_BASE_URL": self.provider.base_url, "OPENAI_API_KEY": "simulated"}
        config, stop = read_config([*ours, *flags], seen), asyncio.Event()
        ready: asyncio.Future[App] = asyncio.get_running_loop().create_future()

        async def serve() -> None:
            async with running(config) as app:
                ready.set_result(app)
                await stop.wait()

        serving = asyncio.create_task(serve())
        app = await ready
        self.stop = stop.set
        try:
            async with (
                connected(app, simulator=self.provider) as plane,
                Client(self.address) as client,
            ):
                worker = ScriptedWorker(plane, "desk", "find", sessions=[VOICE, PLAIN])
                yield Desk(
                    plane=plane, provider=self.provider, worker=worker, client=client, sdp=SDP
                )
                self.stop()
                async with asyncio.timeout(5):
                    await serving
        finally:
            stop.set()
            await asyncio.wait([serving])


SDP = "\r\n".join(
    [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 96",
        "c=IN IP4 127.0.0.1",
        "a=sendrecv",
        "a=mid:0",
        "a=rtcp-mux",
        "a=rtpmap:96 opus/48000/2",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:abcdefghijklmnopqrstuv",
        "a=fingerprint:sha-256 " + ":".join(["AB"] * 32),
        "a=setup:actpass",
        "",
    ]
)


async def test_who_waits_to_be_heard_when_the_server_goes_down_is_sent_on(tmp_path: Path) -> None:
    async with (
        simulator(script=STAYS) as provider,
        Server(tmp_path, provider).up() as at,
    ):
        await at.worker.connect()
        line = await at.start()
        handler = await at.worker.lead()
        await line.until("session.started")
        saying = asyncio.create_task(handler.say("Soon."))
        await handler.until("handler.started")
        await at.plane.call(at.plane.nodes.ListNodes, _nothing())  # it has arrived
        stop_all(at)
        async with asyncio.timeout(1):
            with pytest.raises(errors.ServerDraining):
                await saying


def _nothing() -> Any:
    from agentfield.v1 import node_service_pb2

    return node_service_pb2.ListNodesRequest()
