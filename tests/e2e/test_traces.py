"""One call is one trace: from the caller through the gateway, the control plane and two agents."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import aiohttp
import pytest
from support.collector import Collector, Received, collecting
from support.postgres import Postgres
from support.processes import World, world
from support.storage import Storage
from support.voice import VoiceWorld, voice_world

from agentfield import Client
from agentfield.simulator import Call, Reply, Script
from agentfield.testing import VoiceCall, calling
from agentfield.v1.errors import ExecutionFailed

pytestmark = pytest.mark.e2e

CALLER = "00-0123456789abcdef0123456789abcdef-00f067aa0ba902b7-01"

GATEWAY, SERVER = "agentfield-gateway: ", "agentfield-server: agentfield.v1."
START = "POST /api/v1/session-targets/{target}/start"
SESSION, EXECUTION = "agentfield-server: session", "agentfield-server: execution"
EXECUTE, RUN = f"{SERVER}ExecutionService/Execute", "library: execution.run"
STORY = {
    (f"{GATEWAY}{START}", ""),
    (f"{SERVER}SessionService/StartSession", f"{GATEWAY}{START}"),
    (f"{SESSION}.start", f"{SERVER}SessionService/StartSession"),
    (SESSION, f"{SERVER}SessionService/StartSession"),
    (f"{SESSION}.offer", SESSION),
    (f"{SESSION}.turn", SESSION),
    (f"{SESSION}.gap", SESSION),
    ("concierge: session.handler", SESSION),
    (f"{SERVER}AgentService/Say", "concierge: session.handler"),
    (f"{SESSION}.say", f"{SERVER}AgentService/Say"),
    (f"{SERVER}AgentService/Respond", "concierge: session.handler"),
    (f"{SESSION}.respond", f"{SERVER}AgentService/Respond"),
    (EXECUTE, "concierge: session.handler"),
    (f"{SESSION}.tool", SESSION),
    (EXECUTION, f"{SESSION}.tool"),
    # What the handler calls, what that calls, and what the model's tool calls.
    (EXECUTION, EXECUTE),
    (RUN, EXECUTION),
    (EXECUTE, RUN),
}
"""Every span of the call, below whom."""


SCRIPT = Script(
    replies=[
        Reply(when="further help", says="What else?"),
        Reply(when="again", calls=[Call(name="find", arguments={"words": "a second book"})]),
        Reply(when="spoken", says="Here it is."),
    ]
)


@pytest.fixture
async def collector(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    async with collecting() as collector:
        for name, value in collector.environment.items():
            monkeypatch.setenv(name, value)
        yield collector


@pytest.fixture(name="voices")
async def _voices(tmp_path: Path, collector: Collector) -> AsyncIterator[VoiceWorld]:
    async with voice_world(tmp_path, SCRIPT) as world:
        await world.server("--http-bind=none")
        await world.processes.gateway()
        await world.agents("library.py", "concierge.py")
        yield world


async def lose_the_link(world: VoiceWorld, call: VoiceCall) -> None:
    """Have the provider break its link to the control plane."""
    world.simulator.drop_sidebands(call.provider_call_id)


async def call(
    world: VoiceWorld,
    headers: dict[str, str],
    between: Callable[[VoiceWorld, VoiceCall], Awaitable[None]] = lose_the_link,
) -> str:
    """Have a conversation of two turns, with a gap between them; return the session's id."""
    async with calling(world, "concierge.voice", headers=headers) as call:
        call.say("a first book")
        await call.until("agent.heard", text="On the shelf is a first book")
        await call.until("handler.returned")
        await between(world, call)
        await call.until("provider.gap", seconds=40)
        call.say("and again")
        await call.until("agent.heard", text="Here it is.")
    return call.session_id


async def all_of(collector: Collector) -> Sequence[Received]:
    """Wait for everything that is told of a call, and return it."""
    return await collector.until(lambda _: collector.edges() >= STORY)


async def test_a_call_is_one_trace_across_gateway_control_plane_and_two_agents(
    voices: VoiceWorld, collector: Collector
) -> None:
    session_id = await call(voices, {"traceparent": CALLER})
    spans = await all_of(collector)

    assert {span.trace_id for span in spans} == {CALLER.split("-")[1]}
    # The caller's other requests join its trace, too.
    other = {(a, b) for a, b in collector.edges() - STORY if a.startswith(GATEWAY) and not b}
    assert other >= {(f"{GATEWAY}POST /api/v1/session-instances/{{session_id}}/realtime-offer", "")}
    roots = [span for span in spans if span.parent_id == CALLER.split("-")[2]]
    assert {span.service for span in roots} == {"agentfield-gateway"}
    (session,) = collector.named("session")
    assert session.facts["agentfield.session_id"] == session_id
    assert session.facts["agentfield.reason"] == "client_hangup"
    first, second = sorted(collector.named("session.turn"), key=lambda span: span.began_at)
    assert first.facts["agentfield.answered"]
    assert second.facts["agentfield.answered"]
    assert not any(span.failed for span in spans)
    assert {in_general(span.name) for span in spans} == documented()


def in_general(name: str) -> str:
    """Return how the page calls the spans of this name."""
    name = re.sub(r"^[A-Z]+ /.*", "<verb> <route>", name)
    return re.sub(r"^agentfield\.v1\.\w+/\w+", "agentfield.v1.<Service>/<Rpc>", name)


def documented() -> set[str]:
    """Return the names in the page's table of spans."""
    page = (Path(__file__).parents[2] / "docs/telemetry.md").read_text()
    rows = page.partition("| span | from | to |")[2].partition("\n\n")[0].splitlines()[2:]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])}


async def test_a_call_that_names_no_trace_is_one_all_the_same(
    voices: VoiceWorld, collector: Collector
) -> None:
    await call(voices, {})
    spans = await all_of(collector)

    assert collector.edges() == STORY
    assert len({span.trace_id for span in spans}) == 1


async def test_a_call_stays_in_its_trace_when_the_server_is_killed_and_starts_again(
    voices: VoiceWorld, collector: Collector
) -> None:
    async def killed(world: VoiceWorld, _: VoiceCall) -> None:
        # What it has not sent yet goes down with it.
        await collector.until(lambda _: bool(collector.named("session.respond")))
        await world.servers[-1].kill()
        await world.server("--http-bind=none", grace=20.0)

    await call(voices, {}, between=killed)
    spans = await all_of(collector)

    assert collector.edges() == STORY
    assert len({span.trace_id for span in spans}) == 1


async def test_a_call_that_another_server_goes_on_with_stays_in_its_trace(
    tmp_path: Path, postgres: Postgres, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    async with postgres.database() as url:
        data = [Storage(folder=folder / "data", url=url) for folder in folders]
        async with (
            world(folders[0], data[0]) as first,
            voice_world(folders[1], SCRIPT, data[1]) as second,
        ):
            monkeypatch.setenv("OTEL_SERVICE_NAME", "first")
            owner = await first.server("--http-bind=none")
            monkeypatch.setenv("OTEL_SERVICE_NAME", "second")
            await second.server()
            monkeypatch.delenv("OTEL_SERVICE_NAME")
            await first.agent("concierge.py")
            await second.agents("library.py")

            async def killed(_: VoiceWorld, __: VoiceCall) -> None:
                await collector.until(lambda _: bool(collector.named("session.respond")))
                await owner.kill()

            await call(second, {}, between=killed)
            await collector.until(lambda _: bool(collector.named("session")))

    spans = collector.spans
    assert len({span.trace_id for span in spans}) == 1
    turns = {span.service for span in collector.named("session.turn")}
    assert turns == {"first", "second"}
    (session,) = collector.named("session")
    assert session.service == "second"
    above = {span.parent_id for span in spans if span.name in {"session.turn", "session.handler"}}
    assert above == {session.span_id}


async def test_what_one_process_does_is_one_trace_too(world: World, collector: Collector) -> None:
    await world.server()
    await world.agent("library.py")
    async with aiohttp.ClientSession(f"http://{world.http}") as http:
        body = {"input": {"words": "a book"}}
        async with http.post("/api/v1/execute/library.shelf", json=body) as answer:
            answer.raise_for_status()
    post = "agentfield-server: POST /api/v1/execute/{target}"
    story = {(post, ""), (EXECUTE, post), (EXECUTION, EXECUTE), (RUN, EXECUTION)}
    await collector.until(lambda _: collector.edges() == story)


async def test_an_agent_that_makes_no_spans_passes_on_those_of_others(
    world: World, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.server("--http-bind=none")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    await world.agent("library.py")
    async with Client(world.grpc) as client:
        await client.call("library.find", words="a book")
        with pytest.raises(ExecutionFailed):
            await client.call("library.find", words="what is forbidden")
    story = {(EXECUTE, ""), (EXECUTION, EXECUTE), (EXECUTE, EXECUTION)}
    await collector.until(lambda spans: collector.edges() == story and len(spans) == 8)
    assert len({span.trace_id for span in collector.spans}) == 2
    failed = [span for span in collector.named("execution") if span.failed]
    assert {span.facts["error.type"] for span in failed} == {"EXECUTION_FAILED"}
    assert len(failed) == 2


async def test_a_collector_that_is_away_costs_nobody_a_call_nor_an_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{world.port()}")
    server = await world.server("--http-bind=none")
    agent = await world.agent("library.py")
    async with Client(world.grpc) as client:
        assert await client.call("library.shelf", words="a book") == "On the shelf is a book"
    assert await agent.terminate() == 0
    assert await server.terminate() == 0


async def test_an_agent_that_knows_nothing_of_traces_stays_in_that_of_its_call(
    world: World, collector: Collector
) -> None:
    await world.server()
    await world.existing("support")
    async with Client(world.grpc) as client:
        await client.call("support.resolve", topic="a hat")
    story = {(EXECUTE, ""), (EXECUTION, EXECUTE), (EXECUTION, EXECUTION)}
    await collector.until(lambda spans: collector.edges() >= story and len(spans) >= 3)
    assert len({span.trace_id for span in collector.spans}) == 1
