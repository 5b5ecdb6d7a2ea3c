"""Ears and a mouth with their real models: what is said is heard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from support.words import word_errors

from agentfield.simulator.senses import Sound
from agentfield.simulator.speech import (
    LocalSpeech,
    local_speech,
    read_wav,
    write_wav,
)

pytestmark = [
    pytest.mark.integration,
    pytest.mark.any_database,
    pytest.mark.asyncio(loop_scope="module"),
]

SENTENCES = [
    "I'd like a refund for order 4711, please.",
    "Your appointment is at 10:30 on Tuesday.",
    "It costs $12.50, including tax.",
    "My name is Ada Lovelace and I live in London.",
    "Where is my order? It should have arrived on the 3rd.",
    "Can you book a table for four people at seven tonight?",
    "What is the weather in Berlin tomorrow?",
    "I need to reset my password.",
    "Turn off the lights in the kitchen.",
    "There are 25 tickets left for the concert.",
    "I would like to change my delivery address.",
    "Thank you very much, that was all I needed.",
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def speech() -> AsyncIterator[LocalSpeech]:
    async with local_speech() as loaded:
        yield loaded


async def said(speech: LocalSpeech, text: str) -> list[Sound]:
    return [sound async for sound in speech.mouth.speak(text)]


async def recording(speech: LocalSpeech, text: str, directory: Path, *, after_ms: int = 0) -> bytes:
    file = directory / "said.wav"
    write_wav(file, await said(speech, text), after_ms=after_ms)
    return read_wav(file)


async def test_what_is_said_is_heard(speech: LocalSpeech, tmp_path: Path) -> None:
    wrong = spoken = 0
    for sentence in SENTENCES:
        heard = await speech.ears.transcribe(await recording(speech, sentence, tmp_path))
        errors, words = word_errors(sentence, heard)
        assert errors <= words / 2, (sentence, heard)
        wrong, spoken = wrong + errors, spoken + words
    assert wrong / spoken < 0.1
