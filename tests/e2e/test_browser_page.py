"""The gateway's own page goes, in every way that pages go: its call does not outlive it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Page
from support.browser import Browsers
from support.browser_calls import Watched, watched
from support.page import Shown, shown

from agentfield.testing import Script

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

# The provider does not notice that a caller is gone: its call lasts until it is hung up.
UNTOLD = Script(tells_of_leaving=False)


@asynccontextmanager
async def called(
    browsers: Browsers, *flags: str, **options: Any
) -> AsyncIterator[tuple[Shown, Watched]]:
    """Give a test a call that is live."""
    async with shown(browsers, *flags, script=UNTOLD, **options) as at:
        await at.call()
        async with watched(at.client, await at.session_id()) as session:
            await session.until("client.watching", watching=True)
            yield at, session


async def close(page: Page) -> None:
    await page.close()


async def go_elsewhere(page: Page) -> None:
    await page.goto("about:blank")


async def load_again(page: Page) -> None:
    await page.reload()


@pytest.mark.parametrize("go", [close, go_elsewhere, load_again])
async def test_a_page_that_goes_ends_its_call_at_once(browsers: Browsers, go: Any) -> None:
    async with called(browsers, "--presence-grace=600") as (at, session):
        await go(at.page)
        assert await session.ended() == "client_hangup"
        await session.hung_up()


async def test_a_browser_that_is_killed_is_missed_and_its_call_hung_up(browsers: Browsers) -> None:
    async with called(browsers, "--presence-grace=1", alone=True) as (at, session):
        await at.visit.kill()
        await session.until("client.watching", watching=False)
        assert await session.ended() == "client_lost"
        await session.hung_up()
