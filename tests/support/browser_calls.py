"""Calls from a real browser: a page of the tests places them, and the test follows the session."""

from __future__ import annotations

__all__ = [
    "PAGES",
    "BrowserCall",
    "Watched",
    "browser_call",
    "desk_call",
    "serving_pages",
    "watched",
]

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from agentfield import Client
from agentfield.simulator.tasks import owned_tasks
from agentfield.testing import Reachable, SessionLog, Step, ToolCall
from agentfield.testing.log import LOG_TITLE
from agentfield.testing.story import tool_calls, tree
from agentfield_sdk import Session, SessionEvent
from support.browser import Browsers, Microphone, Visit
from support.live import Desk, desk, until
from support.processes import PATIENCE

PAGES = Path(__file__).parents[1] / "e2e" / "pages"


class Watched:
    """A session, as somebody sees it who has no part in it and whose presence does not count."""

    def __init__(self, client: Client, session_id: str) -> None:
        self.session_id = session_id
        self.log = SessionLog()
        self._client = client

    @property
    def events(self) -> Sequence[SessionEvent]:
        """What has been seen of the log."""
        return self.log.events

    def logged(self, type_: str) -> list[dict[str, Any]]:
        """Return the data of the events of a type, as far as they have been seen."""
        return [dict(event.data) for event in self.events if event.type == type_]

    async def until(self, type_: str, /, **facts: Any) -> SessionEvent:
        """Return the first such event that was not returned before."""
        return await self.log.until(type_, facts, seconds=PATIENCE)

    async def ended(self) -> str:
        """Wait until the session has ended and return why."""
        event = await self.log.until("session.ended", {}, seconds=PATIENCE, keep=True)
        return str(event.data["reason"])

    async def session(self) -> Session:
        """Return the session as it is now."""
        return await self._client.sessions.get(self.session_id)

    async def hung_up(self) -> None:
        """Wait until its newest provider call has ended."""

        async def so() -> bool:
            return (await self.session()).provider_calls[-1].state == "ended"

        await until(so, seconds=PATIENCE)

    async def provider_call_id(self) -> str:
        """Return the provider's id of its newest call."""
        return (await self.session()).provider_calls[-1].external_id

    async def tools(self) -> Sequence[ToolCall]:
        """Return the tool calls so far."""
        await self.log.reaches((await self.session()).last_sequence, seconds=PATIENCE)
        return tool_calls(self.events)

    async def workflow(self) -> Step:
        """Return the session's execution with everything that was called because of it."""
        run_id = (await self.session()).run_id
        return tree((await self._client.workflow(run_id)).executions)

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        """Take in the log while the block runs; what fails in it shows the log."""
        async with owned_tasks() as tasks:
            following = tasks.create_task(self._follow(), name="follow the session")
            try:
                yield
            except BaseException as error:
                if LOG_TITLE not in str(error):
                    error.add_note(f"{LOG_TITLE}\n{self.log}")
                raise
            finally:
                following.cancel()

    async def _follow(self) -> None:
        async for event in self._client.sessions.watch(self.session_id):
            self.log.add(event)
        self.log.close("before the watch ended")


class BrowserCall(Watched):
    """A call of the page ``tests/e2e/pages/caller.html``."""

    def __init__(self, client: Client, visit: Visit, started: Mapping[str, Any]) -> None:
        super().__init__(client, str(started["session_id"]))
        self.started = started
        """The answer to the start, as JSON."""
        self.visit = visit

    async def run(self, script: str, *arguments: Any) -> Any:
        """Run a JavaScript function in the page, where ``caller`` is the call; return its result."""
        return await _run(self.visit, script, *arguments, log=self.log)

    async def connect(self, *, data_channel: bool = False) -> None:
        """Place the call, in silence, and wait until the session is live."""
        await self.run("(withChannel) => caller.call(withChannel)", data_channel)
        await self.log.until("session.live", {}, seconds=PATIENCE, keep=True)

    async def send(self, *events: Mapping[str, Any]) -> None:
        """Send events over the data channel, without a pause between them."""
        await self.run("(events) => caller.send(...events)", events)

    async def saw(self, type_: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until so many events of a type have come over the data channel; return them all."""
        wanted = [type_, count]
        found: list[dict[str, Any]] = await self.run("(wanted) => caller.saw(...wanted)", wanted)
        return found

    async def invoke(self, tool: str, **body: Any) -> Any:
        """Call a tool as the page may; return the answer."""
        return await self.run("([tool, body]) => caller.invoke(tool, body)", [tool, body])

    async def speak(self) -> None:
        """Have the microphone play its file from the beginning; before, it is silent."""
        await self.run("() => caller.speak()")

    async def hears_audio(self) -> None:
        """Wait until audio comes, loud or silent."""
        await self.run("() => caller.until(() => caller.pieces.length > 0)")

    async def hears_voice(self, times: int = 1) -> None:
        """Wait until the agent has been heard so often, each time after silence."""
        await self.run("(times) => caller.until(() => caller.heard >= times)", times)

    async def hears_silence(self) -> None:
        """Wait until nothing has been heard for most of a second."""
        await self.run("() => caller.until(() => !caller.loud)")

    async def recording(self) -> bytes:
        """Return all that was heard: 16-bit samples of one channel at 16 kHz."""
        return base64.b64decode(await self.run("() => caller.recording()"))

    async def stats(self) -> dict[str, dict[str, Any]]:
        """Return the browser's own statistics of the audio, by type of report."""
        found: dict[str, dict[str, Any]] = await self.run("() => caller.stats()")
        return found


async def _run(visit: Visit, script: str, *arguments: Any, log: SessionLog | None = None) -> Any:
    try:
        async with asyncio.timeout(PATIENCE):
            return await visit.page.evaluate(script, *arguments)
    except TimeoutError:
        told = f" {LOG_TITLE}\n{log}" if log else ""
        raise AssertionError(f"{script} took more than {PATIENCE:g} s.{told}") from None


@asynccontextmanager
async def watched(client: Client, session_id: str) -> AsyncIterator[Watched]:
    """Follow a session, whoever started it."""
    session = Watched(client, session_id)
    async with session.followed():
        yield session


@asynccontextmanager
async def browser_call(
    visit: Visit, plane: Reachable, target: str, *, data_channel: bool = False
) -> AsyncIterator[BrowserCall]:
    """Place a call from the page that is open, ``caller.html``; what fails shows the log."""
    start = "([gateway, target]) => caller.start(gateway, target)"
    started = await _run(visit, start, [f"http://{plane.http_address}", target])
    async with Client(plane.grpc_address) as client:
        call = BrowserCall(client, visit, started)
        async with call.followed():
            await call.connect(data_channel=data_channel)
            yield call


@asynccontextmanager
async def desk_call(
    browsers: Browsers,
    target: str,
    *flags: str,
    data_channel: bool = False,
    microphone: Microphone | None = None,
    alone: bool = False,
    **options: Any,
) -> AsyncIterator[tuple[Desk, BrowserCall]]:
    """Give a test a call of a node that does nothing by itself; ``options`` are those of ``desk``.

    The page is not of the gateway's origin.
    """
    async with (
        serving_pages() as origin,
        desk(f"--cors-origins={origin}", *flags, gateway=True, **options) as at,
        browsers.visiting(f"{origin}/caller.html", microphone=microphone, alone=alone) as visit,
        browser_call(visit, at.plane, target, data_channel=data_channel) as call,
    ):
        yield at, call


@asynccontextmanager
async def serving_pages() -> AsyncIterator[str]:
    """Serve the pages of the tests; yield their origin, which the gateway is to be told."""
    app = web.Application()
    app.add_routes([web.static("/", PAGES)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
