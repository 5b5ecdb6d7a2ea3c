"""Sessions that are torn away, or lose their link, after any of their writes."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from support.live import Desk, Line, desk

from agentfield import Agent, RealtimeSession
from agentfield.live.recorder import Recorder
from agentfield.live.registry import Registry
from agentfield.simulator import Entry
from agentfield.simulator.conformance import violations
from agentfield.simulator.tasks import owned_tasks
from agentfield.testing import Call, Order, Reply, Script, Simulator
from agentfield_sdk.context import current

pytestmark = pytest.mark.integration

PAIR: dict[str, Any] = {"provider": "openai", "transport": "webrtc", "modalities": ["audio"]}
WRITES = range(1, 13)
"""After which of its writes each session is torn away; some have fewer."""
PATIENCE = 20.0
CALLS = [Call(name="find", arguments={"thing": "hat"})]
SCRIPT = Script(
    order=Order.SHUFFLED,
    replies=[
        Reply(when="how many", calls=CALLS, repeats=True),
        Reply(when="seven", says="Seven.", speaks_ms=100, repeats=True),
    ],
)


class Tearing:
    """Tears sessions out of their server after so many writes, and has them taken up again.

    Or it breaks their links: ``links_only``.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, links_only: bool) -> None:
        self._links_only = links_only
        self.left: dict[str, int] = {}
        self.torn: set[str] = set()
        self._registry: Registry
        self._lying: asyncio.Queue[str] = asyncio.Queue()
        make, record = Registry.__init__, Recorder.record

        def noted(registry: Registry, *parts: Any, **facts: Any) -> None:
            make(registry, *parts, **facts)
            self._registry = registry

        async def recorded(recorder: Recorder) -> Any:
            found = await record(recorder)
            session_id = recorder._session_id
            if session_id in self.left:
                self.left[session_id] -= 1
                if self.left[session_id] == 0:
                    del self.left[session_id]
                    self._lying.put_nowait(session_id)
                    if not links_only:
                        raise asyncio.CancelledError  # as if killed before any of it is done
            return found

        monkeypatch.setattr(Registry, "__init__", noted)
        monkeypatch.setattr(Recorder, "record", recorded)

    @asynccontextmanager
    async def mended(self, provider: Simulator) -> AsyncIterator[None]:
        """Have what was torn away taken up again while the block runs."""
        async with owned_tasks() as tasks:
            mending = tasks.create_task(self._cut(provider) if self._links_only else self._mend())
            try:
                yield
            finally:
                mending.cancel()

    async def _cut(self, provider: Simulator) -> None:
        while True:
            session_id = await self._lying.get()
            calls = await self._registry.shared.store.calls(session_id)
            provider.drop_sidebands(calls[-1].external_id)
            self.torn.add(session_id)

    async def _mend(self) -> None:
        while True:
            session_id = await self._lying.get()
            while self._registry.find(session_id) is not None:
                await asyncio.sleep(0.001)
            self._registry.shared.feeds.send_on(session_id)
            session = await self._registry.shared.store.get(session_id)
            assert session is not None
            self.torn.add(session_id)
            await self._registry.take_up(session)


@pytest.fixture(params=["torn", "unlinked"])
def tearing(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Tearing:
    return Tearing(monkeypatch, links_only=request.param == "unlinked")


class Told:
    """What one session's provider was told, and what its log has."""

    def __init__(self, at: Desk, call_id: str) -> None:
        self._entries = at.provider.journal.entries(call_id=call_id)

    def asks(self) -> int:
        """Return how often the model was asked to speak."""
        return len(self._received("response.create"))

    def outputs(self) -> int:
        """Return how many outputs of tools are in the conversation."""
        added = [e for e in self._entries if e.type == "conversation.item.added"]
        items = [e.body["item"] for e in added if e.direction == "sent"]
        return len({item["id"] for item in items if item["type"] == "function_call_output"})

    def _received(self, kind: str) -> list[Entry]:
        return [e for e in self._entries if e.type == kind and e.direction == "received"]


@asynccontextmanager
async def night(tearing: Tearing, app: Agent) -> AsyncIterator[Desk]:
    async with desk(script=SCRIPT) as at, tearing.mended(at.provider), AsyncExitStack() as agent:
        app._server = at.plane.grpc_address
        await agent.enter_async_context(app.serving(drain_timeout=0.1))
        yield at
        assert violations(at.provider.journal.entries()) == []


async def each_after(
    tearing: Tearing, at: Desk, target: str, scene: Callable[[Line], Coroutine[Any, Any, None]]
) -> list[Line]:
    """Play a scene in many sessions, each of which is torn away after another of its writes."""
    lines = []
    for write in WRITES:
        line = await (await at.start(target)).connect()
        tearing.left[line.session_id] = write
        lines.append(line)
    async with asyncio.TaskGroup() as scenes:
        for line in lines:
            scenes.create_task(scene(line))
    tearing.left.clear()
    assert len(tearing.torn) > len(WRITES) // 3
    return lines


async def test_a_tool_runs_once_and_is_answered_once_whenever_its_session_is_torn_away(
    tearing: Tearing,
) -> None:
    runs: Counter[str] = Counter()
    app = Agent("night")

    @app.skill()
    async def find(thing: str) -> str:
        here = current()
        assert here is not None
        runs[here.session_id] += 1
        return "seven"

    app.add_session("model", **PAIR, tools=["find"])

    async def scene(line: Line) -> None:
        await say(line, "How many?")
        await follow_until(line, "tool.delivered")
        await follow_until(line, "agent.asked", kind="continue")

    async with night(tearing, app) as at:
        for line in await each_after(tearing, at, "night.model", scene):
            call_id = await line.external_id()
            await at.client.sessions.end(line.session_id)
            told, events = Told(at, call_id), await line.read()
            kinds = Counter(event.type for event in events)
            where = [event.type for event in events]
            assert runs[line.session_id] == 1, " ".join(where)
            assert told.outputs() == 1, " ".join(where)
            assert told.asks() <= 1, " ".join(where)
            for once in ("tool.called", "tool.started", "tool.output", "agent.asked"):
                assert kinds[once] == 1, " ".join(where)


async def say(line: Line, words: str) -> None:
    """Have the caller say something; wherever the session is, its call goes on."""
    await line.say(words)


async def follow_until(line: Line, type_: str, **facts: Any) -> None:
    """Wait for an event, over streams that are sent on."""
    seen = []
    try:
        async with asyncio.timeout(PATIENCE):
            async for event in line.desk.client.sessions.watch(line.session_id):
                seen.append(event.type)
                if event.type == type_ and facts.items() <= event.data.items():
                    return
    except TimeoutError:
        raise AssertionError(f"no {type_} in {seen}") from None


async def test_a_handler_speaks_once_and_notices_nothing_whenever_its_session_is_torn_away(
    tearing: Tearing,
) -> None:
    app, attempts = Agent("night"), Counter[str]()
    outcomes: defaultdict[str, asyncio.Future[str]] = defaultdict(asyncio.Future)

    @app.session("led", **PAIR)
    async def led(session: RealtimeSession) -> None:
        attempts[session.id] += 1
        turn = await session.input()
        speech = await session.say(f"You said: {turn.text}")
        outcomes[session.id].set_result(speech.outcome)
        async for _ in session:
            pass

    async def scene(line: Line) -> None:
        await say(line, "One.")
        async with asyncio.timeout(PATIENCE):
            await outcomes[line.session_id]

    async with night(tearing, app) as at:
        for line in await each_after(tearing, at, "night.led", scene):
            call_id = await line.external_id()
            await at.client.sessions.end(line.session_id)
            told, events = Told(at, call_id), await line.read()
            where = [event.type for event in events]
            assert attempts[line.session_id] == 1, " ".join(where)
            outcome = outcomes[line.session_id].result()
            assert outcome in {"completed", "unknown"}, " ".join(where)
            asked = [event for event in events if event.type == "agent.asked"]
            assert len(asked) == 1, " ".join(where)
            assert told.asks() <= 1, " ".join(where)
            if outcome == "completed":
                assert told.asks() == 1, " ".join(where)
