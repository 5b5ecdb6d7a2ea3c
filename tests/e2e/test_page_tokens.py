"""What the page holds: a start token, then a session's, in memory alone; never a key."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Request, Response, expect
from support.browser import Browsers
from support.page import Shown, shown

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

PATIENCE = 30.0
KEY = "a-key-that-no-page-ever-sees"


@asynccontextmanager
async def asking_for_keys(
    browsers: Browsers, folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> AsyncIterator[Shown]:
    """Give a test the page of a server that asks for keys."""
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    keys = folder / "keys.toml"
    keys.write_text(f'[[keys]]\nname = "all"\nroles = ["admin"]\nsha256 = "{digest}"\n')
    monkeypatch.setenv("AGENTFIELD_API_KEY", KEY)
    async with shown(browsers, f"--api-keys={keys}", forgiven="40[13]", **options) as at:
        yield at


async def open_link(at: Shown, *, target: str = "shop.model", uses: int = 1) -> str:
    """Open the page anew, by a link with a start token, and return the token."""
    token = (await at.client.sessions.create_token(target, uses=uses)).token
    await at.page.goto("about:blank")
    await at.page.goto(f"{at.origin}/#target={target}&start_token={token}")
    await expect(at.page.get_by_role("heading", name=f"Talk to {target}")).to_be_visible()
    return token


async def expired(at: Shown, token: str) -> None:
    """Wait until a start token's time is over, without using it: it is not for this target."""
    other = f"{at.origin}/api/v1/session-targets/shop.other/start"
    async with asyncio.timeout(PATIENCE):
        while True:
            headers = {"Authorization": f"Bearer {token}"}
            answer = await at.page.context.request.post(other, headers=headers, data={})
            if (await answer.json())["reason"] == "START_TOKEN_EXPIRED":
                return


async def test_a_link_is_for_one_session_and_leaves_no_token_behind(
    browsers: Browsers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asking_for_keys(browsers, tmp_path, monkeypatch) as at:
        asked: list[str] = []
        secrets: list[str] = []
        said: list[str] = []

        async def took(response: Response) -> None:
            if response.request.url.endswith("/start"):
                secrets.append(json.loads(await response.text())["session_token"])

        def asks(request: Request) -> None:
            asked.append(request.url)

        at.page.on("request", asks)
        at.page.on("response", took)
        at.page.on("console", lambda message: said.append(message.text))
        secrets.append(await open_link(at))
        await expect(at.page.get_by_role("radio")).to_have_count(0)
        assert at.page.url == f"{at.origin}/"
        await at.button("Start call").click()
        await expect(at.state).to_have_text("Live")
        await at.say("How many hats?")
        await at.hears_out("Seven hats are left.")
        await at.execution("shop.count").click()
        details = at.page.get_by_role("region", name="Execution shop.count")
        await expect(details).to_contain_text("seven")
        kept = await at.page.evaluate(
            """async () => JSON.stringify([
              location.href, history.state, document.cookie, document.documentElement.outerHTML,
              {...localStorage}, {...sessionStorage}, await indexedDB.databases(),
              await caches.keys()])"""
        )
        await at.hang_up()
        assert await at.ended() == "client_hangup"
        requests = [url for url in asked if "start_token=" not in url or "#" not in url]
        assert len(secrets) == 2
        for secret in (*secrets, KEY):
            assert secret not in kept
            assert not [text for text in (*requests, *said) if secret in text]


async def test_a_link_that_is_opened_where_the_page_is_open_already(
    browsers: Browsers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asking_for_keys(browsers, tmp_path, monkeypatch) as at:
        token = (await at.client.sessions.create_token("shop.model")).token
        await at.page.goto(f"{at.origin}/#target=shop.model&start_token={token}")
        await at.button("Start call").click()
        await expect(at.state).to_have_text("Live")
        assert at.page.url == f"{at.origin}/"
        await at.hang_up()


async def test_a_link_that_is_used_up_says_so(
    browsers: Browsers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asking_for_keys(browsers, tmp_path, monkeypatch) as at:
        await open_link(at)
        await at.button("Start call").click()
        await expect(at.state).to_have_text("Live")
        await at.hang_up()
        await at.button("Call again").click()
        await expect(at.trouble()).to_contain_text("The link is used up")
        await expect(at.trouble()).to_contain_text("Ask whoever sent you the link")


@pytest.mark.parametrize(
    ("link", "told"),
    [
        (("afs_nonsense", "shop.model"), "The link is not valid"),
        (("", "shop.led"), "The link does not allow this"),
    ],
    ids=["changed", "of another target"],
)
async def test_a_link_that_is_not_good_says_so(
    browsers: Browsers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    link: tuple[str, str],
    told: str,
) -> None:
    token, target = link
    async with asking_for_keys(browsers, tmp_path, monkeypatch) as at:
        shown_token = token or (await at.client.sessions.create_token("shop.model")).token
        await at.page.goto(f"{at.origin}/#target={target}&start_token={shown_token}")
        await at.button("Start call").click()
        await expect(at.trouble()).to_contain_text(told)
        await expect(at.button("Start call")).to_be_visible()


async def test_what_is_no_start_token_is_shown_to_no_server(browsers: Browsers) -> None:
    async with shown(browsers) as at:
        asked: list[Request] = []

        def asks(request: Request) -> None:
            asked.append(request)

        at.page.on("request", asks)
        await at.page.goto(f"{at.origin}/#target=shop.model&start_token={KEY}")
        await at.button("Start call").click()
        await expect(at.trouble()).to_contain_text("The link is not valid")
        assert not [each for each in asked if each.method == "POST" or KEY in str(each.headers)]


async def test_a_call_again_takes_the_link_of_the_call_before(
    browsers: Browsers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asking_for_keys(browsers, tmp_path, monkeypatch) as at:
        await open_link(at, uses=2)
        await at.button("Start call").click()
        await expect(at.state).to_have_text("Live")
        await at.page.evaluate("location.hash = 'session=another'")
        await at.hang_up()
        await at.button("Call again").click()
        await expect(at.state).to_have_text("Live")


async def test_without_a_link_a_server_with_keys_tells_how_to_get_one(
    browsers: Browsers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asking_for_keys(browsers, tmp_path, monkeypatch) as at:
        await expect(at.trouble()).to_contain_text("This server asks for a key")
        await expect(at.trouble()).to_contain_text("af session link")


async def test_a_link_that_has_expired_says_so(
    browsers: Browsers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asking_for_keys(browsers, tmp_path, monkeypatch) as at:
        token = (await at.client.sessions.create_token("shop.model", ttl=1)).token
        await at.page.goto(f"{at.origin}/#target=shop.model&start_token={token}")
        await expect(at.button("Start call")).to_be_visible()
        await expired(at, token)
        await at.button("Start call").click()
        await expect(at.trouble()).to_contain_text("The link has expired")
