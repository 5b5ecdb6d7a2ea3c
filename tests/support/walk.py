"""Through all that the page can show, once."""

from __future__ import annotations

__all__ = ["states"]

from collections.abc import AsyncIterator

from playwright.async_api import expect

from support.page import Shown


async def states(at: Shown) -> AsyncIterator[str]:
    """Yield the name of each state when the page is in it."""
    await expect(at.button("Start call")).to_be_enabled()
    yield "choosing"
    await at.call()
    await expect(at.execution("shop.model")).to_be_visible()
    yield "just connected"
    await talk(at)
    yield "in a call, with everything opened"
    await at.button("Mute").click()
    await expect(at.speaker).to_have_text("You are muted")
    yield "muted"
    await at.hang_up()
    await expect(at.workflow).not_to_contain_text("running")
    yield "ended"
    await at.button("Close").click()
    await at.page.get_by_role("region", name="Past sessions").get_by_role("link").first.click()
    await expect(at.entry("How many hats?")).to_be_visible()
    await expect(at.execution("shop.count")).to_be_visible()
    yield "a past session"
    await at.page.goto(f"{at.origin}/#session=sess_of_nobody")
    await expect(at.trouble()).to_be_visible()
    yield "an error"


async def talk(at: Shown) -> None:
    """Have something of every kind happen, and open all there is to open."""
    await at.say("How many hats?")
    await expect(at.entry("Tool look_up succeeded")).to_be_visible()
    await at.hears_out("Seven hats are left.")
    await at.say("Tell me why")
    await expect(at.entry("Tool fail failed")).to_be_visible()
    await at.hears_out("Very well.")
    await at.say("What is the secret?")
    await expect(at.entry("Tool secret refused")).to_be_visible()
    await at.hears_out("Very well.")
    await at.say("Tell me a long story.")
    await expect(at.entry("dared to wear.")).to_be_visible()
    await at.say("Stop! " + "o" * 120, lasts_ms=400)
    await expect(at.entry("Interrupted")).to_be_visible()
    for summary in await at.conversation.locator("summary").all():
        await summary.click()
    await at.execution("shop.look_up").click()
    details = at.page.get_by_role("region", name="Execution shop.look_up")
    await expect(details).to_contain_text("<b>shelf</b>")
