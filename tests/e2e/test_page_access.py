"""The page for everybody: without a mouse, without sight, on a small screen, without movement."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, expect
from support.browser import Browsers
from support.page import Shown, shown
from support.walk import states

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

AXE = Path(__file__).parents[2] / "console/node_modules/axe-core/axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(name="axe")
def _axe() -> str:
    if not AXE.exists() and "CI" not in os.environ:
        pytest.skip("make console installs what it needs")
    return AXE.read_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_in_any_state(browsers: Browsers, axe: str, scheme: Any) -> None:
    still = {"color_scheme": scheme, "reduced_motion": "reduce"}
    found: dict[str, list[str]] = {}
    async with shown(browsers, forgiven="404", **still) as at:
        async for state in states(at):
            await at.page.evaluate(axe)
            run = "(rules) => axe.run({runOnly: rules})"
            result = await at.page.evaluate(run, RULES)
            assert len(result["passes"]) > 10
            found[state] = [told(violation) for violation in result["violations"]]
    assert len(found) == 7
    assert {state: violations for state, violations in found.items() if violations} == {}


def told(violation: dict[str, Any]) -> str:
    nodes = [node["html"][:120] for node in violation["nodes"]]
    return f"{violation['id']}: {violation['help']}: {nodes}"


@pytest.mark.parametrize(
    ("width", "height"), [(375, 667), (320, 568), (640, 450)], ids=["phone", "small", "zoomed"]
)
async def test_nothing_has_to_be_scrolled_sideways(
    browsers: Browsers, width: int, height: int
) -> None:
    window: dict[str, Any] = {"viewport": {"width": width, "height": height}}
    async with shown(browsers, forgiven="404", **window) as at:
        async for state in states(at):
            assert await at.is_as_wide_as_its_window(), state
            assert await overflowing(at) == [], state


async def overflowing(at: Shown) -> list[str]:
    """Return what sticks out of the window, or has to be scrolled sideways by itself."""
    found: list[str] = await at.page.evaluate(
        """() => [...document.querySelectorAll("body *:not(.unseen, .unseen *, svg *)")].filter(
            (each) => each.getBoundingClientRect().right > window.innerWidth + 1
              || each.scrollLeftMax > 0
          ).map((each) => each.outerHTML.slice(0, 120))"""
    )
    return found


async def test_nothing_moves_for_those_who_do_not_want_it(browsers: Browsers) -> None:
    async with shown(browsers, forgiven="404", reduced_motion="reduce") as at:
        async for state in states(at):
            moving = await at.page.evaluate("document.getAnimations().length")
            assert moving == 0, state
    async with shown(browsers, reduced_motion="no-preference") as at:
        await at.call()
        await expect(at.execution("shop.model")).to_be_visible()
        assert await at.page.evaluate("document.getAnimations().length") > 0


class Keyboard:
    """The only thing there is to use the page with."""

    def __init__(self, at: Shown) -> None:
        self._at = at

    async def reach(self, wanted: Locator) -> None:
        """Press Tab until this has the focus, which must be seen all the way."""
        for _ in range(40):
            await self._at.page.keyboard.press("Tab")
            assert await self._at.page.evaluate(SEEN), "the focus cannot be seen"
            if await wanted.evaluate("(element) => element === document.activeElement"):
                return
        raise AssertionError(f"{wanted} is not reached")

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self._at.page.keyboard.press(key)


SEEN = """() => {
  const focused = document.activeElement;
  if (focused === document.body) return true;
  const ground = focused.querySelector(".ground");
  const outline = getComputedStyle(focused).outlineStyle !== "none";
  return outline || (ground && getComputedStyle(ground).stroke !== "none");
}"""


async def test_a_whole_call_by_the_keyboard_alone(browsers: Browsers) -> None:
    async with shown(browsers) as at:
        keys = Keyboard(at)
        await expect(at.button("Start call")).to_be_enabled()
        first = at.page.get_by_role("radio", name="shop.model", exact=True)
        await keys.reach(first)
        await keys.press("ArrowDown", "ArrowUp")
        await expect(first).to_be_checked()
        await keys.press("Enter")
        await expect(at.state).to_have_text("Live")
        await expect(at.page.get_by_role("heading", name="shop.model")).to_be_focused()

        await keys.reach(at.button("Mute"))
        await keys.press("Space")
        await expect(at.speaker).to_have_text("You are muted")
        await keys.press("Space")
        await at.say("How many hats?")
        tool = at.entry("Tool look_up succeeded")
        await expect(tool).to_be_visible()
        await keys.reach(tool.locator("summary"))
        await keys.press("Enter")
        await expect(tool).to_contain_text('"thing": "hat"')

        await expect(at.execution("shop.count")).to_be_visible()
        await keys.reach(at.execution("shop.model"))
        await keys.press("ArrowDown", "ArrowDown")
        await expect(at.execution("shop.count")).to_be_focused()
        await keys.press("Enter")
        details = at.page.get_by_role("region", name="Execution shop.count")
        await expect(details).to_contain_text("seven")

        await at.hears_out("Seven hats are left.")
        await keys.reach(at.button("Hang up"))
        await keys.press("Enter")
        await expect(at.page.get_by_role("heading", name="The call has ended")).to_be_focused()
        await keys.reach(at.button("Close"))
        await keys.press("Enter")
        past = at.page.get_by_role("region", name="Past sessions").get_by_role("link")
        await expect(past).to_be_visible()
        await keys.reach(past)
        await keys.press("Enter")
        await expect(at.entry("Seven hats are left.")).to_be_visible()


async def test_what_is_read_out_is_whole_and_comes_once(browsers: Browsers) -> None:
    async with shown(browsers) as at:
        await at.call()
        log = at.page.get_by_role("log")
        await expect(log).to_have_text("Connected. You can speak.")
        await at.page.evaluate(
            """() => {
              window.readOut = [];
              new MutationObserver((changes) => changes.forEach(({ type, addedNodes }) =>
                addedNodes.forEach((node) => window.readOut.push(`${type} ${node.textContent}`)))
              ).observe(document.querySelector("[role=log]"),
                { subtree: true, childList: true, characterData: true });
            }"""
        )
        await at.say("How many hats?")
        await expect(at.entry("Seven hats are left.")).to_be_visible()
        await expect(log).to_contain_text("Agent: Seven hats are left.")
        # Of what comes in one piece of the stream, what was said is read out before the tools.
        assert sorted(await at.page.evaluate("window.readOut")) == [
            "childList Agent: One moment.",
            "childList Agent: Seven hats are left.",
            "childList Tool look_up succeeded.",
            "childList You: How many hats?",
        ]
        assert await at.page.locator("[aria-live]").count() == 1


async def test_the_first_paint_takes_less_than_a_second(browsers: Browsers) -> None:
    async with shown(browsers) as at:
        paints = []
        for _ in range(3):
            await at.page.reload()
            paints.append(await at.page.evaluate(PAINTED))
        assert min(paints) < 1000


PAINTED = """() => new Promise((resolve) => new PerformanceObserver((list) => {
  const [paint] = list.getEntriesByName("first-contentful-paint");
  if (paint) resolve(paint.startTime);
}).observe({ type: "paint", buffered: true }))"""


async def test_each_new_screen_begins_at_its_heading(browsers: Browsers) -> None:
    async with shown(browsers, forgiven="404") as at:
        await expect(at.button("Start call")).to_be_enabled()
        heading = at.page.get_by_role("heading", level=1)
        await expect(heading).not_to_be_focused()
        await at.call()
        await expect(heading).to_be_focused()
        await at.hang_up()
        await expect(at.page.get_by_role("heading", name="The call has ended")).to_be_focused()
        await at.button("Close").click()
        await expect(heading).to_have_text("Talk to an agent")
        await expect(heading).to_be_focused()
        await at.page.get_by_role("link", name="shop.model").click()
        await expect(heading).to_have_text("shop.model")
        await expect(heading).to_be_focused()
        await at.page.goto(f"{at.origin}/#session=sess_of_nobody")
        await expect(at.trouble()).to_be_focused()
