"""Calls from a real browser: Chromium with a fake microphone, over real WebRTC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.browser import Browsers
from support.browser_calls import BrowserCall, browser_call, serving_pages
from support.live import Desk, desk

from agentfield.testing import Script

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


@asynccontextmanager
async def called(
    browsers: Browsers, target: str, *flags: str, script: Script
) -> AsyncIterator[tuple[Desk, BrowserCall]]:
    """Give a test a call of a node that does nothing by itself."""
    async with (
        serving_pages() as origin,
        desk(f"--cors-origins={origin}", *flags, script=script, gateway=True) as at,
        browsers.visiting(f"{origin}/caller.html") as visit,
        browser_call(visit, at.plane, target) as call,
    ):
        yield at, call


async def test_audio_flows_both_ways_by_the_browsers_own_statistics(browsers: Browsers) -> None:
    script = Script(heard=["Where is my hat?"], replies=["It is in the attic."])
    async with called(browsers, "desk.plain", script=script) as (_, call):
        await call.until("turn.transcribed", text="Where is my hat?")
        await call.hears_voice()
        await call.until("agent.heard", text="It is in the attic.")
        stats = await call.stats()
        assert stats["inbound-rtp"]["packetsReceived"] > 20
        assert stats["inbound-rtp"]["totalAudioEnergy"] > 0.001
        assert stats["outbound-rtp"]["packetsSent"] > 20
        assert stats["media-source"]["totalAudioEnergy"] > 0.001
