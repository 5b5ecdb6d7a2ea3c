"""An agent's session with real speech: what is said aloud is what its handler and tools get."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from agentfield import Agent, RealtimeSession
from agentfield.simulator.audio import resampled
from agentfield.simulator.caller import RECORDING_RATE
from agentfield.simulator.conformance import violations
from agentfield.simulator.mind import LocalMind
from agentfield.simulator.speech import LocalSpeech, local_speech
from agentfield.simulator.speech.comparing import word_errors
from agentfield.testing import ControlPlane, calling, control_plane, simulator

pytestmark = [pytest.mark.integration, pytest.mark.any_database]

PATIENCE = 60.0
QUESTION = "When does the hat shop open?"
ANSWER = "The hat shop opens at nine in the morning."
LECTURE = "Hats have been worn since people have had heads to wear them on. " * 6

app = Agent("shop")


@app.session("desk", provider="openai", transport="webrtc")
async def desk(session: RealtimeSession) -> None:
    """Answer one question, then talk until somebody objects."""
    await session.input()
    await session.say(ANSWER)
    spoken = await session.say(LECTURE)
    if spoken.outcome == "interrupted":
        turn = await session.input()
        await session.say(f"You said: {turn.text}")


@app.skill()
def opening_hours(question: str) -> dict[str, str]:
    """When the hat shop is open."""
    return {"spoken_response": ANSWER}


app.add_session("model", provider="openai", transport="webrtc", tools=["shop.opening_hours"])


@asynccontextmanager
async def shop() -> AsyncIterator[tuple[LocalSpeech, ControlPlane]]:
    async with (
        local_speech() as speech,
        simulator(speech=speech, mind=LocalMind()) as provider,
        control_plane(simulator=provider) as plane,
        app.serving(),
    ):
        yield speech, plane
        assert violations(provider.journal.entries()) == []


async def aloud(speech: LocalSpeech, text: str) -> bytes:
    """Return a text as samples of 24 kHz, with silence around it."""
    pieces = [each.pcm async for each in speech.mouth.speak(text)]
    return bytes(48 * 300) + b"".join(pieces) + bytes(48 * 300)


def alike(said: str, heard: str) -> bool:
    errors, words = word_errors(said, heard)
    return errors <= words / 3


async def test_a_tool_is_called_with_what_was_said_and_its_answer_is_heard() -> None:
    async with shop() as (speech, plane), calling(plane, "shop.model") as call:
        call.caller.record()
        call.caller.say(await aloud(speech, QUESTION), rate=RECORDING_RATE)
        heard = await call.until("agent.heard", seconds=PATIENCE)
        recorded = resampled(call.caller.recorded(), rate=RECORDING_RATE, to=16_000)
        understood = await speech.ears.transcribe(recorded)
        (tool,) = await call.tools()
        turns = await call.turns()
    assert (tool.status, tool.output) == ("succeeded", {"spoken_response": ANSWER})
    assert [who for who, _ in turns] == ["user", "agent"]
    assert tool.arguments == {"question": turns[0][1]}
    assert alike(QUESTION, turns[0][1])
    assert heard.data["text"] == ANSWER
    assert alike(ANSWER, understood)


async def test_a_handler_hears_what_was_said_and_whoever_objects_is_let_speak() -> None:
    async with shop() as (speech, plane), calling(plane, "shop.desk") as call:
        objection = await aloud(speech, "That is enough about hats.")
        call.caller.say(await aloud(speech, QUESTION), rate=RECORDING_RATE)
        await call.until("agent.heard", text=ANSWER, seconds=PATIENCE)
        await call.hears_voice(seconds=PATIENCE)
        call.caller.say(objection, rate=RECORDING_RATE)
        await call.until("agent.heard", interrupted=True, seconds=PATIENCE)
        await call.until("agent.heard", interrupted=False, seconds=PATIENCE)
        turns = await call.turns()
    said = [text for who, text in turns if who == "user"]
    assert alike(QUESTION, said[0])
    assert alike("That is enough about hats.", said[1])
    assert turns[-1] == ("agent", f"You said: {said[1]}")
