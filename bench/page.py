"""How long the gateway's page takes to be seen, and from its button to a call."""

from __future__ import annotations

__all__ = ["measure"]

import asyncio
import time
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright, expect

from bench.provider import SCRIPT
from bench.servers import control_plane, simulator, voice_agent
from bench.times import Round, Row, times_table

ROUNDS, VISITS = 4, 5
EMPTY, FIRST, AGAIN, CALL = "a page of one word", "the page", "again", "from the button to live"
TITLE = "page: until the first paint in Chromium, and from the button until the session is live"
ROWS = (
    Row(name=EMPTY),
    Row(name=FIRST, yardstick=EMPTY),
    Row(name=AGAIN, yardstick=EMPTY),
    Row(name=CALL, yardstick=EMPTY),
)
FIND = Path(__file__).parents[1] / "scripts" / "chromium.sh"
FLAGS = (
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--disable-background-networking",
    "--no-sandbox",
)
PAINTED = """() => new Promise((resolve) => new PerformanceObserver((list) => {
  const [paint] = list.getEntriesByName("first-contentful-paint");
  if (paint) resolve(paint.startTime / 1000);
}).observe({ type: "paint", buffered: true }))"""


async def measure() -> str:
    """Return the table."""
    async with (
        simulator(SCRIPT) as simulated,
        control_plane(http=True, provider=simulated.http) as plane,
        voice_agent(plane.grpc),
        async_playwright() as playwright,
    ):
        found = await asyncio.create_subprocess_exec(FIND, stdout=asyncio.subprocess.PIPE)
        path = (await found.communicate())[0].decode().strip()
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        address = f"http://{plane.http}/"
        rounds = [await _round(browser, address) for _ in range(ROUNDS)]
        await browser.close()
    return times_table(TITLE, ROWS, rounds[1:])


async def _round(browser: Browser, address: str) -> Round:
    """Visit in turns, each time without anything of the visit before."""
    times: dict[str, list[float]] = {row.name: [] for row in ROWS}
    for _ in range(VISITS):
        context = await browser.new_context(permissions=["microphone"])
        page = await context.new_page()
        times[EMPTY].append(await _paint(page, "data:text/html,<p>word"))
        times[FIRST].append(await _paint(page, address))
        times[AGAIN].append(await _paint(page, address))
        times[CALL].append(await _call(page))
        await context.close()
    return times


async def _paint(page: Page, address: str) -> float:
    await page.goto("about:blank")
    await page.goto(address)
    seconds: float = await page.evaluate(PAINTED)
    return seconds


async def _call(page: Page) -> float:
    button = page.get_by_role("button", name="Start call")
    await page.get_by_role("radio", name="voice.model", exact=True).check()
    began = time.perf_counter()
    await button.click()
    await expect(page.get_by_test_id("state")).to_have_text("Live")
    took = time.perf_counter() - began
    await page.get_by_role("button", name="Hang up").click()
    await expect(page.get_by_role("heading", name="The call has ended")).to_be_visible()
    return took
