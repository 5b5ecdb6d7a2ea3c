"""Spoken conversations: somebody speaks into a real browser, and the provider hears and answers.

Nothing leaves this machine. The page is the gateway's own, with audio alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import expect
from support.browser import Browsers
from support.speaking_page import spoken_words, voiced

from agentfield import Agent, RealtimeSession
from agentfield.simulator.speech import LocalSpeech, local_speech
from agentfield.simulator.speech.comparing import word_errors

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

PAIR: dict[str, Any] = {"provider": "openai", "transport": "webrtc", "data_channel": "refuse"}
GREETING = "Good morning. This is the hat shop. What can I do for you?"
ANSWER = "Your order has left our house. It will arrive on Friday."
STORY = "Once upon a time there was a hat that nobody wanted to wear. " * 6

store = Agent("store")


@store.skill()
def find_order(question: str) -> dict[str, str]:
    """Find out where an order is and when it will arrive."""
    return {"spoken_response": ANSWER}


@store.skill()
def tell_story(about: str) -> dict[str, str]:
    """Tell a long story about something."""
    return {"spoken_response": STORY}


store.add_session("model", **PAIR, tools=["find_order", "tell_story"])


@store.session("greeter", **PAIR)
async def greeter(session: RealtimeSession) -> None:
    """Greet whoever calls."""
    await session.say(GREETING)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def speech() -> AsyncIterator[LocalSpeech]:
    async with local_speech() as loaded:
        yield loaded


def alike(said: str, heard: str) -> bool:
    errors, words = word_errors(said, heard)
    return errors <= words / 3


async def test_what_the_handler_says_is_heard_word_for_word(
    browsers: Browsers, speech: LocalSpeech
) -> None:
    async with voiced(browsers, speech, store, "store.greeter") as call:
        greeting = await call.session.until("agent.heard")
        assert (greeting.data["text"], greeting.data["outcome"]) == (GREETING, "completed")
        statistics = await call.statistics()
        assert statistics["inbound-rtp"]["totalAudioEnergy"] > 0.001
        heard = await call.heard_words()
        assert alike(GREETING, heard), heard


async def test_a_spoken_request_is_answered_in_speech_after_a_tool_on_the_servers_side(
    browsers: Browsers, speech: LocalSpeech, tmp_path: Path
) -> None:
    request = "Where is my order?"
    microphone = await spoken_words(speech, request, tmp_path / "request.wav")
    async with voiced(browsers, speech, store, "store.model", microphone=microphone) as call:
        turn = await call.session.until("turn.transcribed")
        assert alike(request, turn.data["text"]), turn.data["text"]
        answer = await call.session.until("agent.heard")
        assert "Friday" in answer.data["text"]

        (tool,) = await call.session.tools()
        assert (tool.target, tool.status, tool.source) == ("store.find_order", "succeeded", "model")
        assert (await call.session.workflow()).shape == ("store.model", ("store.find_order",))
        await expect(call.shown.entry(turn.data["text"]).first).to_be_visible()
        await expect(call.shown.entry("Tool find_order succeeded")).to_be_visible()
        await expect(call.shown.execution("store.find_order")).to_be_visible()
        await expect(call.shown.entry(answer.data["text"]).last).to_be_visible()

        statistics = await call.statistics()
        assert statistics["outbound-rtp"]["packetsSent"] > 50
        assert statistics["inbound-rtp"]["packetsReceived"] > 50
        heard = await call.heard_words()
        assert alike(answer.data["text"], heard), heard
        assert "friday" in heard.lower(), heard


async def test_whoever_speaks_over_the_agent_is_listened_to(
    browsers: Browsers, speech: LocalSpeech, tmp_path: Path
) -> None:
    # The story takes longer than the pause: the next request comes in the middle of it.
    microphone = await spoken_words(
        speech, "Tell me a story about a hat.", tmp_path / "s.wav", pause_ms=8000, repeats=True
    )
    async with voiced(browsers, speech, store, "store.model", microphone=microphone) as call:
        await call.session.until("agent.interrupted")
        cut = await call.session.until("agent.heard", interrupted=True)
        assert STORY.startswith(cut.data["text"][:20])
        assert 0 < len(cut.data["text"]) < len(STORY)
        await call.session.until("turn.transcribed")
        await call.session.until("turn.transcribed")
        await expect(call.shown.entry("Interrupted").first).to_be_visible()
