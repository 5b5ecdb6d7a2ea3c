"""The page at the gateway's root, driven as a person does: by what it shows and what it is called."""

from __future__ import annotations

__all__ = ["Shown", "shown", "visited"]

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

from playwright.async_api import Locator, Page, expect

from agentfield import Agent, Client
from agentfield.testing import Reachable, Script, Simulator, control_plane, simulator
from support.browser import Browsers, Microphone, Visit
from support.live import until
from support.processes import PATIENCE
from support.shop import SCRIPT, shop

expect.set_options(timeout=1000 * PATIENCE)


class Shown:
    """The page in a browser, the gateway it came from, and the provider behind that."""

    def __init__(self, visit: Visit, plane: Reachable, client: Client) -> None:
        self.visit = visit
        self.page: Page = visit.page
        self.plane = plane
        self.client = client
        self.state = self.page.get_by_test_id("state")
        self.speaker = self.page.get_by_test_id("speaker")
        self.conversation = self.page.get_by_role("region", name="Conversation")
        self.workflow = self.page.get_by_role("region", name="Workflow")

    @property
    def origin(self) -> str:
        """Where the page came from."""
        return f"http://{self.plane.http_address}"

    @property
    def provider(self) -> Simulator:
        """Who speaks for the model."""
        assert self.plane.simulator is not None
        return self.plane.simulator

    def button(self, name: str) -> Locator:
        """Return a button."""
        return self.page.get_by_role("button", name=name, exact=True)

    def entry(self, text: str) -> Locator:
        """Return what was said or called with these words in it."""
        return self.conversation.get_by_role("listitem").filter(has_text=text)

    def execution(self, target: str) -> Locator:
        """Return an execution of the picture."""
        return self.workflow.get_by_role("treeitem", name=target)

    def trouble(self) -> Locator:
        """Return what went wrong."""
        return self.page.get_by_role("alert")

    async def choose(self, target: str) -> None:
        """Choose whom to talk to: by the label, which lies over the whole card."""
        await self.page.locator(f'label[for="{target}"]').click()
        await expect(self.page.get_by_role("radio", name=target, exact=True)).to_be_checked()

    async def call(self, target: str = "shop.model") -> None:
        """Place a call and wait until it is live."""
        await self.choose(target)
        await self.button("Start call").click()
        await expect(self.state).to_have_text("Live")

    async def session_id(self) -> str:
        """Return the newest session's id."""
        async for session in self.client.sessions.list():
            return session.session_id
        raise AssertionError("there is no session")

    async def say(self, words: str, *, lasts_ms: int = 100) -> None:
        """Have the provider hear these words."""
        session = await self.client.sessions.get(await self.session_id())
        self.provider.speak(session.provider_calls[-1].external_id, words, lasts_ms=lasts_ms)

    async def hears_out(self, words: str) -> None:
        """Wait until the agent has said these words, and is silent."""
        await expect(self.entry(words).last).to_have_attribute("data-open", "false")
        await expect(self.speaker).to_have_text("Nobody is speaking")

    async def hang_up(self) -> None:
        """Hang up and wait for the end."""
        await self.button("Hang up").click()
        await expect(self.page.get_by_role("heading", name="The call has ended")).to_be_visible()

    async def ended(self) -> str:
        """Wait until the newest session has ended, and return why."""
        session_id = await self.session_id()

        async def so() -> bool:
            return (await self.client.sessions.get(session_id)).state == "ended"

        await until(so)
        return str((await self.client.sessions.get(session_id)).end_reason)

    async def is_as_wide_as_its_window(self) -> bool:
        """Return whether nothing has to be scrolled sideways."""
        wide = "document.documentElement.scrollWidth <= window.innerWidth"
        return bool(await self.page.evaluate(wide))


@asynccontextmanager
async def shown(
    browsers: Browsers,
    *flags: str,
    script: Script = SCRIPT,
    agent: Agent | None = shop,
    microphone: Microphone | None = None,
    **options: Any,
) -> AsyncIterator[Shown]:
    """Give a test the page of a gateway behind which there are a provider and an agent.

    The microphone is silent if nothing else is said. ``options`` are those of a visit. Raises
    AssertionError at the end if a request went elsewhere.
    """
    async with (
        simulator(script=script) as provider,
        control_plane(*flags, simulator=provider) as plane,
        agent.serving() if agent else nullcontext(),
        Client(plane.grpc_address) as client,
        visited(browsers, plane, client, microphone=microphone, **options) as at,
    ):
        yield at


@asynccontextmanager
async def visited(
    browsers: Browsers,
    plane: Reachable,
    client: Client,
    *,
    microphone: Microphone | None = None,
    **options: Any,
) -> AsyncIterator[Shown]:
    """Visit the page of a gateway that runs already, as ``shown`` does."""
    address = f"http://{plane.http_address}/"
    heard = microphone or browsers.silence
    async with browsers.visiting(address, microphone=heard, **options) as visit:
        at = Shown(visit, plane, client)
        yield at
        assert visit.origins == {at.origin}
