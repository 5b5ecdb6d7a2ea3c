"""The browser that tests use: what it complains of fails them, and nothing goes out."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Page
from support.browser import Browsers, Microphone
from support.browser_calls import serving_pages

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


async def test_what_a_page_complains_of_fails_its_test(browsers: Browsers) -> None:
    with pytest.raises(AssertionError, match="the hat is gone"):
        async with browsers.visiting() as visit:
            await visit.page.evaluate("console.error('the hat is gone')")
    with pytest.raises(AssertionError, match="nobody caught it"):
        async with browsers.visiting() as visit:
            await throw(visit.page)
    async with browsers.visiting(forgiven="the hat") as visit:
        await visit.page.evaluate("console.error('the hat is gone')")


async def throw(page: Page) -> None:
    async with page.expect_event("pageerror"):
        await page.evaluate("setTimeout(() => { throw Error('nobody caught it') })")


async def test_a_page_reaches_nobody_but_this_machine(browsers: Browsers) -> None:
    async with (
        serving_pages() as origin,
        browsers.visiting(f"{origin}/caller.html", forgiven="ERR_NAME_NOT_RESOLVED") as visit,
    ):
        asked = "fetch('https://example.com/').then(() => 'answered', () => 'unreachable')"
        assert await visit.page.evaluate(asked) == "unreachable"
        assert visit.origins == {origin, "https://example.com"}


async def test_each_visit_knows_nothing_of_the_one_before(browsers: Browsers) -> None:
    async with serving_pages() as origin:
        for _ in range(2):
            async with browsers.visiting(f"{origin}/caller.html") as visit:
                assert await visit.page.evaluate("localStorage.length") == 0
                await visit.page.evaluate("localStorage.setItem('hat', 'attic')")


async def test_a_microphone_whose_file_is_not_there_is_an_error(
    browsers: Browsers, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        async with browsers.visiting(microphone=Microphone(wav=tmp_path / "none.wav")):
            pass


async def test_a_browser_that_is_killed_is_gone_and_the_others_are_not(
    browsers: Browsers,
) -> None:
    async with browsers.visiting() as other, browsers.visiting(alone=True) as visit:
        await visit.kill()
        assert not visit.browser.is_connected()
        assert await other.page.evaluate("1 + 1") == 2
