"""The page at the gateway's root: calls that are placed with it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import expect
from support.browser import Browsers
from support.page import shown, visited
from support.shop import SCRIPT
from support.voice import voice_world

from agentfield import Client
from agentfield.testing import Call, Fault, Reply, Script

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

DESK = Script(
    replies=[
        Reply(when="hats", calls=[Call(name="look_up", arguments={"thing": "hat"})]),
        Reply(when="spoken_response", says="Seven are left.", speaks_ms=400),
        Reply(when="thank", says="You are welcome.", speaks_ms=400),
    ]
)


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


async def test_an_address_chooses_a_session(browsers: Browsers) -> None:
    async with shown(browsers) as at:
        await at.page.goto(f"{at.origin}/#target=shop.led")
        await expect(at.page.get_by_role("radio", name="shop.led", exact=True)).to_be_checked()


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


async def test_the_callers_voice_is_sent_and_the_agents_is_heard(browsers: Browsers) -> None:
    asks = replace(SCRIPT, heard=["Tell me a long story."])
    async with shown(browsers, microphone=browsers.tone, script=asks) as at:
        await at.call()
        await expect(at.entry("Tell me a long story.")).to_be_visible()
        await expect(at.speaker).to_have_text("The agent is speaking")
        bars = at.page.locator(".voice").last
        await expect(bars).to_have_attribute("data-level", re.compile("[1-4]"))


async def test_a_muted_caller_sends_silence(browsers: Browsers) -> None:
    async with shown(browsers) as at:
        await at.call()
        await at.button("Mute").click()
        await expect(at.button("Mute")).to_have_attribute("aria-pressed", "true")
        await expect(at.speaker).to_have_text("You are muted")
        await at.button("Mute").click()
        await expect(at.speaker).to_have_text("Nobody is speaking")


async def test_a_handler_that_leads_and_then_returns_is_told(browsers: Browsers) -> None:
    async with shown(browsers) as at:
        await at.call("shop.led")
        call = at.page.get_by_role("region", name="Call", exact=True)
        await expect(call).to_contain_text("The handler leads")
        await at.say("Hello?")
        await expect(at.entry("dared to wear.")).to_be_visible()
        await at.say("Thank you, that is enough.", lasts_ms=400)
        await expect(at.entry("The handler has returned")).to_be_visible()
        await expect(call).to_contain_text("The model leads")


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("shop.idle", "Nobody said anything for too long."),
        ("shop.broken", "handler failed."),
    ],
)
async def test_why_a_call_ended_is_told_in_words(
    browsers: Browsers, target: str, told: str
) -> None:
    async with shown(browsers) as at:
        await at.call(target)
        if target == "shop.broken":
            await at.say("Hello?")
        ended = at.page.get_by_role("region", name="The call has ended")
        await expect(ended).to_contain_text(told)
        await expect(at.state).to_have_text("Ended")
        await at.button("Call again").click()
        await expect(at.state).to_have_text("Live")


async def test_a_page_that_is_left_ends_its_call(browsers: Browsers) -> None:
    async with shown(browsers) as at:
        await at.call()
        await at.page.goto("about:blank")
        assert await at.ended() == "client_hangup"


async def test_a_page_that_is_closed_ends_its_call(browsers: Browsers) -> None:
    async with shown(browsers) as at:
        await at.call()
        await at.page.close(run_before_unload=True)
        assert await at.ended() == "client_hangup"


async def test_a_call_that_is_hung_up_before_it_is_connected_ends(browsers: Browsers) -> None:
    slow = replace(SCRIPT, faults=[Fault(on="offer", status=None, after_ms=3000)])
    async with shown(browsers, script=slow, forgiven="409") as at:
        await at.choose("shop.model")
        await at.button("Start call").click()
        await expect(at.state).to_have_text("Connecting")
        await at.hang_up()
        assert await at.ended() == "client_hangup"


async def test_the_page_keeps_its_session_present(browsers: Browsers) -> None:
    async with shown(browsers, "--presence-grace=1") as at:
        await at.call()
        session_id = await at.session_id()
        async for event in at.client.sessions.watch(session_id):
            if event.type == "client.watching":
                assert event.data["watching"] is True
                break
        await at.say("How many hats?")
        await at.hears_out("Seven hats are left.")
        await at.hang_up()


async def test_over_a_server_that_restarts_the_call_goes_on_and_nothing_is_missing(
    browsers: Browsers, tmp_path: Path
) -> None:
    async with voice_world(tmp_path) as world, Client(world.grpc_address) as client:
        await world.desk(script=DESK)
        async with visited(browsers, world, client, forgiven="ERR_|500|503") as at:
            await at.call("desk.model")
            await at.say("How many hats?")
            await at.hears_out("Seven are left.")
            await world.servers[-1].kill()
            await expect(
                at.page.get_by_text("The connection to the server is lost.")
            ).to_be_visible()
            await world.server()
            await expect(
                at.page.get_by_text("The connection to the server is lost.")
            ).to_be_hidden()
            await expect(at.entry("What was said meanwhile")).to_be_visible()
            await expect(at.state).to_have_text("Live")
            await at.say("Thank you.")
            await at.hears_out("You are welcome.")
            await expect(at.entry("Seven are left.")).to_have_count(1)
            await at.hang_up()


async def test_a_past_session_is_read_from_its_log(browsers: Browsers) -> None:
    async with shown(browsers) as at:
        await at.call()
        await at.say("How many hats?")
        await at.hears_out("Seven hats are left.")
        live = await at.conversation.inner_text()
        await at.hang_up()
        await at.button("Close").click()
        past = at.page.get_by_role("region", name="Past sessions")
        await past.get_by_role("link", name="shop.model").click()
        await expect(at.state).to_have_text("Ended")
        await expect(at.page.get_by_text("The caller hung up.")).to_be_visible()
        await expect(at.conversation).to_have_text(
            live.replace("You\n", "Caller\n"), use_inner_text=True
        )
        await expect(at.execution("shop.count")).to_be_visible()
        assert at.page.url.endswith(f"/#session={await at.session_id()}")
        await at.page.go_back()
        await expect(at.button("Start call")).to_be_visible()


async def test_another_address_leaves_a_call_that_is_over_and_none_that_goes_on(
    browsers: Browsers,
) -> None:
    async with shown(browsers) as at:
        home = at.page.get_by_role("link", name="AgentField Sessions")
        await at.call()
        await home.click()
        await at.say("How many hats?")
        await at.hears_out("Seven hats are left.")
        await at.hang_up()
        await home.click()
        await expect(at.button("Start call")).to_be_visible()
        await at.call()
        await at.hang_up()
        await at.page.evaluate("id => location.hash = `session=${id}`", await at.session_id())
        await expect(at.page.get_by_role("link", name="All sessions")).to_be_visible()
        await expect(at.page.get_by_text("The caller hung up.")).to_be_visible()


async def test_a_session_whose_words_were_removed_says_so(browsers: Browsers) -> None:
    async with shown(browsers, forgiven="401") as at:
        await at.call()
        await at.say("How many hats?")
        await at.hears_out("Seven hats are left.")
        await at.hang_up()
        session_id = await at.session_id()
        await at.client.sessions.delete(session_id)
        await at.page.goto(f"{at.origin}/#session={session_id}")
        await at.page.reload()
        await expect(at.page.get_by_text("have been removed")).to_be_visible()
        await expect(at.conversation).not_to_contain_text("hats")
