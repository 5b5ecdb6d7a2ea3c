"""The page at the gateway's root: calls that are placed with it."""

from __future__ import annotations

import pytest
from playwright.async_api import expect
from support.browser import Browsers
from support.page import shown

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


async def test_a_call_from_the_choice_to_the_end(browsers: Browsers) -> None:
    async with shown(browsers) as at:
        await at.call()
        await expect(at.speaker).to_have_text("Nobody is speaking")
        await at.say("How many hats?", lasts_ms=1500)
        await expect(at.speaker).to_have_text("You are speaking")
        await expect(at.entry("How many hats?")).to_be_visible()
        await expect(at.entry("Tool look_up succeeded in")).to_be_visible()
        await expect(at.entry("Seven hats are left.")).to_be_visible()
        await expect(at.execution("shop.count")).to_be_visible()
        await at.hang_up()
        assert await at.ended() == "client_hangup"
        assert at.visit.origins == {at.origin}


async def test_the_picture_grows_and_each_execution_tells_its_details(browsers: Browsers) -> None:
    async with shown(browsers) as at:
        await at.call()
        await expect(at.execution("shop.model")).to_be_visible()
        await at.say("How many hats?")
        await at.execution("shop.count").click()
        details = at.page.get_by_role("region", name="Execution shop.count")
        await expect(details).to_contain_text('"thing": "hat"')
        await expect(details).to_contain_text("seven")


async def test_a_tool_call_shows_its_input_and_its_result_as_text(browsers: Browsers) -> None:
    async with shown(browsers) as at:
        await at.call()
        await at.say("How many hats?")
        tool = at.entry("Tool look_up succeeded")
        await tool.get_by_text("Input and result").click()
        await expect(tool).to_contain_text('"thing": "hat"')
        await expect(tool).to_contain_text('"<b>shelf</b>"')


@pytest.mark.parametrize(
    ("words", "told"),
    [("Tell me why", "Tool fail failed in"), ("What is the secret?", "Tool secret refused")],
)
async def test_a_tool_call_that_comes_to_nothing(browsers: Browsers, words: str, told: str) -> None:
    async with shown(browsers) as at:
        await at.call()
        await at.say(words)
        await expect(at.entry(told)).to_be_visible()


async def test_of_an_interrupted_speech_what_was_heard_is_marked(browsers: Browsers) -> None:
    async with shown(browsers) as at:
        await at.call()
        await at.say("Tell me a long story.")
        await expect(at.speaker).to_have_text("The agent is speaking")
        await expect(at.entry("dared to wear.")).to_be_visible()
        await at.say("Stop!", lasts_ms=400)
        speech = at.entry("Interrupted").filter(has_text="Not heard:")
        await expect(speech.locator("s")).to_contain_text("dared to wear.")
        await expect(at.entry("Very well.")).to_be_visible()
