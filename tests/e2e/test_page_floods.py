"""The page shows whatever people, models and tools say, and however much: it stays text, and usable."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.async_api import Route, expect
from support.browser import Browsers
from support.page import Shown, shown

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

TURNS = 600
MARKUP = "<img src=x onerror=\"document.title='taken'\">"
RIGHT_TO_LEFT = "שלום \N{RIGHT-TO-LEFT OVERRIDE}עולם"
WORD = "W" * 500
TOLD = json.dumps([{"row": row, "text": MARKUP, "word": WORD} for row in range(200)])
"""Over 100 kB."""


def events() -> Iterator[tuple[str, dict[str, Any]]]:
    yield "session.started", {"target": "shop.model", "has_handler": False}
    yield "session.live", {}
    before = ""
    for turn in range(TURNS):
        user, tool, agent = f"user{turn}", f"tool{turn}", f"agent{turn}"
        text = (MARKUP, RIGHT_TO_LEFT, WORD)[turn % 3]
        yield "speech.started", {"item_id": user}
        yield "turn.committed", {"item_id": user, "previous_item_id": before}
        yield "turn.transcribed", {"item_id": user, "text": text}
        call = {"call_id": tool, "item_id": tool, "name": text[:60]}
        yield "tool.called", call | {"arguments": "{}", "previous_item_id": user}
        yield "tool.started", call | {"execution_id": f"exec{turn}"}
        yield "tool.finished", call | {"status": "succeeded", "duration_ms": 5}
        yield "tool.output", call | {"output": "{}" if turn else TOLD}
        yield "agent.started", {"item_id": agent, "previous_item_id": tool}
        yield "agent.heard", {"item_id": agent, "text": text, "full_text": text}
        yield "provider.error", {"message": text}
        before = agent
    yield "session.ended", {"reason": "client_hangup"}


async def open_log(at: Shown) -> None:
    """Open a past session of the server's, with this log."""
    session = await at.client.sessions.start("shop.model")
    await at.client.sessions.end(session.session_id)
    lines = [
        {"sequence": sequence, "type": kind, "at": "2026-01-01T00:00:00Z", "data": data}
        for sequence, (kind, data) in enumerate(events(), 1)
    ]
    log = "".join(f"data: {json.dumps(line)}\n\n" for line in lines)

    async def answer(route: Route) -> None:
        await route.fulfill(content_type="text/event-stream", body=log)

    await at.page.route("**/events", answer)
    await at.page.goto(f"{at.origin}/#session={session.session_id}")


async def test_thousands_of_events_of_any_kind_are_shown_as_text(browsers: Browsers) -> None:
    async with shown(browsers) as at:
        await at.page.set_viewport_size({"width": 375, "height": 700})
        await open_log(at)
        await expect(at.state).to_have_text("Ended")
        await expect(at.page.locator(".timeline > li")).to_have_count(4 * TURNS)
        assert await at.is_as_wide_as_its_window()
        words = at.page.locator(".turn .words")
        await expect(words.nth(0)).to_have_text(MARKUP)
        await expect(words.nth(2)).to_have_css("direction", "rtl")
        await expect(at.page.locator("main img")).to_have_count(0)
        assert await at.page.title() == "Session shop.model"


async def test_a_result_that_is_longer_than_the_window_is_scrolled_by_itself(
    browsers: Browsers,
) -> None:
    async with shown(browsers) as at:
        await open_log(at)
        await at.page.locator(".tool summary").first.click()
        result = at.page.locator(".tool").first.locator("pre").nth(1)
        await expect(result).to_contain_text(f'"row": {199}')
        box = await result.bounding_box()
        assert box is not None
        assert box["height"] < 400
        await result.focus()
        await at.page.keyboard.press("End")
        await at.page.wait_for_function(
            "pre => pre.scrollTop > 0", arg=await result.element_handle()
        )
