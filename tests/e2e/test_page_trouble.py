"""What the page says when something is in the way of a call, and what to do about it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.async_api import expect
from support.browser import Browsers
from support.page import Shown, shown
from support.shop import SCRIPT, shop

from agentfield.testing import Fault

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


async def try_to_call(at: Shown, target: str = "shop.model") -> None:
    await at.choose(target)
    await at.button("Start call").click()


async def test_sessions_that_cannot_be_called_are_shown_with_the_reason(browsers: Browsers) -> None:
    async with shown(browsers) as at:
        for target, reason in (
            ("shop.sockets", "This server does not serve openai over websocket."),
            ("shop.turns", "This server does not serve openrouter over audio_turns."),
        ):
            radio = at.page.get_by_role("radio", name=target, exact=True)
            await expect(radio).to_be_disabled()
            await expect(radio).to_have_accessible_description(f"{about(target)} {reason}")
        led = at.page.get_by_role("radio", name="shop.led", exact=True)
        await expect(led).to_be_enabled()
        await expect(led).to_have_accessible_description(
            "openai · webrtc · audio and text Sells hats."
        )


def about(target: str) -> str:
    pair = "openai · websocket · audio and text"
    turns = "openrouter · audio_turns · text"
    return f"{pair if target == 'shop.sockets' else turns} Sells hats."


async def test_a_server_without_agents_says_how_to_start_one(browsers: Browsers) -> None:
    async with shown(browsers, agent=None) as at:
        first = at.page.get_by_role("region", name="No agent offers a session here yet")
        await expect(first).to_contain_text("examples/orders_agent.py")
        await expect(first).to_contain_text("examples/voice_agent.py")
        async with shop.serving():
            await expect(at.page.get_by_role("radio", name="shop.led", exact=True)).to_be_visible()


async def test_an_agent_that_is_away(browsers: Browsers) -> None:
    async with shown(browsers, agent=None, forgiven="503") as at:
        async with shop.serving():
            await expect(at.page.get_by_role("radio", name="shop.led", exact=True)).to_be_visible()
        await try_to_call(at, "shop.led")
        await expect(at.trouble()).to_contain_text("The agent is not there")
        await expect(at.trouble()).to_contain_text("Start the agent, then try again.")
        await expect(at.page.get_by_text("Its agent is not connected.").first).to_be_visible()


async def test_all_lines_are_busy(browsers: Browsers) -> None:
    async with shown(browsers, forgiven="429") as at:
        await at.client.sessions.start("shop.single")
        await try_to_call(at, "shop.single")
        await expect(at.trouble()).to_contain_text("All lines are busy")
        await expect(at.trouble().get_by_role("timer")).to_contain_text("try again")


async def test_a_provider_that_does_not_take_the_call(browsers: Browsers) -> None:
    failing = replace(SCRIPT, faults=[Fault(on="offer", status=500, times=9)])
    async with shown(browsers, script=failing, forgiven="502") as at:
        await try_to_call(at)
        await expect(at.trouble()).to_contain_text("The provider did not take the call")
        assert await at.ended() == "client_hangup"
        at.provider.script = SCRIPT
        await at.button("Call again").click()
        await expect(at.state).to_have_text("Live")


async def test_a_server_that_is_gone(browsers: Browsers) -> None:
    async with shown(browsers, forgiven="ERR_INTERNET_DISCONNECTED") as at:
        await at.choose("shop.model")
        await at.page.context.set_offline(True)
        await at.button("Start call").click()
        await expect(at.trouble()).to_contain_text("The server cannot be reached")
        await at.page.context.set_offline(False)
        await at.button("Start call").click()
        await expect(at.state).to_have_text("Live")
        await at.hang_up()


async def test_a_session_that_is_not_there(browsers: Browsers) -> None:
    async with shown(browsers, forgiven="404") as at:
        await at.page.goto(f"{at.origin}/#session=sess_of_nobody")
        await expect(at.trouble()).to_contain_text("There is no such session")
        await at.page.get_by_role("link", name="All sessions").click()
        await expect(at.button("Start call")).to_be_visible()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("NotAllowedError", "The microphone is not allowed"),
        ("NotFoundError", "No microphone was found"),
        ("NotReadableError", "The microphone cannot be used"),
        ("AbortError", "The microphone cannot be opened"),
    ],
)
async def test_without_a_microphone_nothing_is_started(
    browsers: Browsers, name: str, told: str
) -> None:
    async with shown(browsers) as at:
        await at.page.evaluate(
            """(name) => { navigator.mediaDevices.getUserMedia = async () => {
              throw new DOMException("no", name); }; }""",
            name,
        )
        await try_to_call(at)
        await expect(at.trouble()).to_contain_text(told)
        assert [session async for session in at.client.sessions.list()] == []


async def test_an_address_that_browsers_give_no_microphone_to(browsers: Browsers) -> None:
    async with shown(browsers) as at:
        await at.page.evaluate("Object.defineProperty(window, 'isSecureContext', {value: false})")
        await try_to_call(at)
        await expect(at.trouble()).to_contain_text("Browsers give no microphone to this address")
        await expect(at.trouble()).to_contain_text("http://localhost")


async def test_a_microphone_that_is_taken_away_in_a_call(browsers: Browsers) -> None:
    async with shown(browsers) as at:
        await at.page.evaluate(
            """() => { const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
              navigator.mediaDevices.getUserMedia = async (wish) => window.voice = await open(wish); }"""
        )
        await at.call()
        await at.page.evaluate("voice.getTracks()[0].dispatchEvent(new Event('ended'))")
        await expect(at.page.get_by_text("The microphone is gone")).to_be_visible()
