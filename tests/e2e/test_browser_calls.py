"""Calls from a real browser: Chromium with a fake microphone, over real WebRTC."""

from __future__ import annotations

import pytest
from support.browser import Browsers
from support.browser_calls import desk_call

from agentfield.testing import Script

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


async def test_audio_flows_both_ways_by_the_browsers_own_statistics(browsers: Browsers) -> None:
    script = Script(heard=["Where is my hat?"], replies=["It is in the attic."])
    async with desk_call(browsers, "desk.plain", script=script) as (_, call):
        await call.until("turn.transcribed", text="Where is my hat?")
        await call.hears_voice()
        await call.until("agent.heard", text="It is in the attic.")
        stats = await call.stats()
        assert stats["inbound-rtp"]["packetsReceived"] > 20
        assert stats["inbound-rtp"]["totalAudioEnergy"] > 0.001
        assert stats["outbound-rtp"]["packetsSent"] > 20
        assert stats["media-source"]["totalAudioEnergy"] > 0.001
