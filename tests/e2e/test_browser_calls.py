"""Calls from a real browser: Chromium with a fake microphone, over real WebRTC."""

from __future__ import annotations

import pytest
from support.browser import Browsers
from support.browser_calls import browser_call, desk_call, serving_pages, watched
from support.live import desk

from agentfield.testing import Call, Reply, Script
from agentfield.v1 import session_pb2

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

UNTOLD = Script(tells_of_leaving=False)
"""The provider does not notice that a caller is gone: its call lasts until it is hung up."""
LONG = "This is a rather long answer, and nobody has the patience to hear all of it. " * 10


async def test_audio_flows_both_ways_by_the_browsers_own_statistics(browsers: Browsers) -> None:
    script = Script(heard=["Where is my hat?"], replies=["It is in the attic."])
    async with desk_call(browsers, "desk.plain", script=script) as (_, call):
        await call.speak()
        await call.until("turn.transcribed", text="Where is my hat?")
        await call.hears_voice()
        await call.until("agent.heard", text="It is in the attic.")
        stats = await call.stats()
        assert stats["inbound-rtp"]["packetsReceived"] > 20
        assert stats["inbound-rtp"]["totalAudioEnergy"] > 0.001
        assert stats["outbound-rtp"]["packetsSent"] > 20
        assert stats["media-source"]["totalAudioEnergy"] > 0.001


async def test_what_the_handler_says_is_heard_and_nothing_else(browsers: Browsers) -> None:
    async with desk_call(browsers, "desk.voice", microphone=browsers.silence) as (at, call):
        handler = await at.worker.lead()
        await call.hears_audio()
        assert await call.run("() => caller.heard") == 0
        said = await handler.say("Good morning.")
        assert (said.heard_text, said.outcome) == (
            "Good morning.",
            session_pb2.SPEECH_OUTCOME_COMPLETED,
        )
        await call.hears_voice()
        await call.hears_silence()
        assert await call.run("() => caller.heard") == 1


async def test_what_is_asked_in_speech_is_answered_after_a_tool_on_the_servers_side(
    browsers: Browsers,
) -> None:
    replies = [
        Reply(when="hat", calls=[Call(name="find", arguments={"thing": "hat"})]),
        Reply(when="attic", says="It is in the attic."),
    ]
    script = Script(heard=["Where is my hat?"], replies=replies)
    async with desk_call(browsers, "desk.plain", script=script) as (at, call):
        await call.speak()
        await call.until("tool.called")
        execution = at.worker.accept(await at.worker.take())
        assert execution.input == b'{"thing": "hat"}'
        await at.worker.report(execution, b'"in the attic"')
        await call.hears_voice()
        await call.until("agent.heard", text="It is in the attic.")
        assert (await call.workflow()).shape == ("desk.plain", ("desk.find",))


async def test_whoever_speaks_over_the_agent_silences_it(browsers: Browsers) -> None:
    script = Script(heard=["Tell me a story.", "Stop!"])
    async with desk_call(browsers, "desk.voice", script=script) as (at, call):
        handler = await at.worker.lead()
        await call.speak()
        await call.until("turn.transcribed", text="Tell me a story.")
        telling = at.begin(handler.say(LONG))
        await call.hears_voice()
        await call.speak()
        await call.until("agent.interrupted")
        await call.hears_silence()
        story = await telling
        assert story.outcome == session_pb2.SPEECH_OUTCOME_INTERRUPTED
        assert 0 < len(story.heard_text) < len(LONG)
        await call.until("turn.transcribed", text="Stop!")


@pytest.mark.parametrize("how", ["closed", "left"])
async def test_a_page_that_goes_ends_its_call_at_once(browsers: Browsers, how: str) -> None:
    async with (
        serving_pages() as origin,
        desk(f"--cors-origins={origin}", "--presence-grace=600", script=UNTOLD, gateway=True) as at,
        browsers.visiting(f"{origin}/caller.html") as visit,
        browser_call(visit, at.plane, "desk.plain") as call,
    ):
        await call.hears_audio()
        await (visit.page.close() if how == "closed" else visit.page.goto("about:blank"))
        assert await call.ended() == "client_hangup"
        await at.hung_up(await call.provider_call_id())


async def test_a_browser_that_is_killed_is_missed_and_its_call_hung_up(browsers: Browsers) -> None:
    async with desk_call(
        browsers, "desk.plain", "--presence-grace=1", alone=True, script=UNTOLD
    ) as (at, call):
        await call.until("client.watching", watching=True)
        await call.hears_audio()
        await call.visit.kill()
        await call.until("client.watching", watching=False)
        assert await call.ended() == "client_lost"
        await at.hung_up(await call.provider_call_id())


async def test_a_session_goes_on_under_the_eyes_of_others(browsers: Browsers) -> None:
    async with (
        desk_call(browsers, "desk.plain", microphone=browsers.silence) as (at, call),
        watched(at.client, call.session_id) as seen,
    ):
        await seen.until("session.live")
        await call.run("() => caller.leave()")
        assert await seen.ended() == await call.ended() == "client_hangup"
