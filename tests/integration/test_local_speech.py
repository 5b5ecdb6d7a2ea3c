"""Ears and a mouth with their real models: what is said is heard."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import sys
import threading
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from agentfield.simulator.senses import Sound
from agentfield.simulator.speech import (
    LocalSpeech,
    SpeechNotInstalled,
    local_speech,
    read_wav,
    word_errors,
    write_wav,
)
from agentfield.simulator.speech.local import Once

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

IMPORTS = """
import asyncio, sys
from importlib.metadata import packages_distributions
import agentfield.simulator
before = set(sys.modules)
from agentfield.simulator.speech import local_speech

async def main():
    async with local_speech() as speech:
        async for sound in speech.mouth.speak("Hello zworb."):
            await speech.ears.transcribe(sound.pcm)

asyncio.run(main())
tops = {name.partition(".")[0] for name in set(sys.modules) - before}
owners = packages_distributions()
print(*sorted({owner for top in tops for owner in owners.get(top, [])}))
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def speech() -> AsyncIterator[LocalSpeech]:
    async with local_speech() as loaded:
        yield loaded


async def said(speech: LocalSpeech, text: str) -> list[Sound]:
    return [sound async for sound in speech.mouth.speak(text)]


async def recording(
    speech: LocalSpeech, text: str, directory: Path, *, around_ms: int = 0
) -> bytes:
    file = directory / "said.wav"
    write_wav(file, await said(speech, text), before_ms=around_ms, after_ms=around_ms)
    return read_wav(file)


def noise(seconds: float, *, loudness: float) -> bytes:
    """Return white noise, the same every time; a loudness of 0 is silence."""
    samples = np.random.default_rng(1).normal(0, loudness * 32767, round(16_000 * seconds))
    return np.clip(samples, -32768, 32767).astype("<i2").tobytes()


def mixed(one: bytes, other: bytes) -> bytes:
    sounds = [np.frombuffer(each, "<i2").astype(np.int32) for each in (one, other)]
    total = sounds[0] + np.resize(sounds[1], sounds[0].shape)
    return np.clip(total, -32768, 32767).astype("<i2").tobytes()


async def test_what_is_said_is_heard(speech: LocalSpeech, tmp_path: Path) -> None:
    wrong = spoken = 0
    for sentence in SENTENCES:
        heard = await speech.ears.transcribe(await recording(speech, sentence, tmp_path))
        errors, words = word_errors(sentence, heard)
        assert errors <= words / 2, (sentence, heard)
        wrong, spoken = wrong + errors, spoken + words
    assert wrong / spoken < 0.1


async def test_a_person_is_understood(speech: LocalSpeech) -> None:
    carrier = find_spec("moonshine_voice")
    assert carrier is not None
    assert carrier.origin is not None
    heard = await speech.ears.transcribe(
        read_wav(Path(carrier.origin).parent / "assets/beckett.wav")
    )
    said = "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better."
    errors, words = word_errors(said, heard)
    assert errors <= words / 4, heard


async def test_numbers_come_back_as_figures(speech: LocalSpeech, tmp_path: Path) -> None:
    pcm = await recording(speech, "Where is my order 90210?", tmp_path)
    assert "90210" in await speech.ears.transcribe(pcm)


async def test_speech_is_heard_through_noise_and_between_pauses(
    speech: LocalSpeech, tmp_path: Path
) -> None:
    clean = await recording(speech, SENTENCES[1], tmp_path, around_ms=2000)
    errors, words = word_errors(
        SENTENCES[1], await speech.ears.transcribe(mixed(clean, noise(1, loudness=0.005)))
    )
    assert errors <= words / 3


@pytest.mark.parametrize("loudness", [0, 0.0005, 0.01, 0.05, 0.2])
async def test_silence_and_noise_are_no_speech(speech: LocalSpeech, loudness: float) -> None:
    pcm = noise(3, loudness=loudness)
    assert await speech.ears.transcribe(pcm) == ""
    listener = speech.ears.listener()
    assert max(listener.probability(pcm[at : at + 640]) for at in range(0, len(pcm), 640)) < 0.5


async def test_nothing_at_all_is_no_speech(speech: LocalSpeech) -> None:
    assert await speech.ears.transcribe(b"") == ""
    assert await speech.ears.transcribe(bytes(5)) == ""
    assert speech.ears.listener().probability(b"") == 0


async def test_speech_is_told_from_the_silence_around_it(
    speech: LocalSpeech, tmp_path: Path
) -> None:
    pcm = await recording(speech, SENTENCES[0], tmp_path, around_ms=1000)
    listener = speech.ears.listener()
    heard = [listener.probability(pcm[at : at + 640]) for at in range(0, len(pcm), 640)]
    before, during, after = heard[:45], heard[60:-60], heard[-30:]
    assert max(before) < 0.1
    assert sum(probability > 0.5 for probability in during) > 0.8 * len(during)
    assert max(after) < 0.1


async def test_every_call_has_a_listener_of_its_own(speech: LocalSpeech, tmp_path: Path) -> None:
    pcm = await recording(speech, "Hello.", tmp_path)
    busy, idle = speech.ears.listener(), speech.ears.listener()
    assert max(busy.probability(pcm[at : at + 320]) for at in range(0, len(pcm), 320)) > 0.5
    assert idle.probability(noise(0.1, loudness=0)) < 0.1


async def test_two_callers_are_heard_at_once(speech: LocalSpeech, tmp_path: Path) -> None:
    one = await recording(speech, SENTENCES[7], tmp_path)
    other = await recording(speech, SENTENCES[8], tmp_path)
    async with asyncio.TaskGroup() as tasks:
        heard = [tasks.create_task(speech.ears.transcribe(pcm)) for pcm in (one, other, one)]
    assert heard[0].result() == heard[2].result()
    for task, sentence in zip(heard, (SENTENCES[7], SENTENCES[8], SENTENCES[7]), strict=True):
        errors, words = word_errors(sentence, task.result())
        assert errors <= words / 2


async def test_a_caller_who_has_left_is_not_listened_to(
    speech: LocalSpeech, tmp_path: Path
) -> None:
    pcm = await recording(speech, " ".join(SENTENCES[:4]), tmp_path)
    async with asyncio.TaskGroup() as tasks:
        left = tasks.create_task(speech.ears.transcribe(pcm))
        await asyncio.sleep(0)
        left.cancel()
    assert left.cancelled()
    assert await speech.ears.transcribe(noise(0.1, loudness=0)) == ""


async def test_speech_comes_in_pieces_that_are_the_text(speech: LocalSpeech) -> None:
    text = "Hello there. It costs $12.50 — 😀 no more!  Is that all right?"
    sounds = await said(speech, text)
    assert [sound.text for sound in sounds] == [
        "Hello there. ",
        "It costs $12.50 — 😀 no more!  ",
        "Is that all right?",
    ]
    for sound in sounds:
        assert sound.ms == 20 * len(sound.packets) == len(sound.pcm) / 48
        assert 400 < sound.ms < 5000


async def test_the_same_text_is_the_same_sound(speech: LocalSpeech) -> None:
    async with local_speech() as other:
        one, again = await said(speech, SENTENCES[5]), await said(other, SENTENCES[5])
    assert (one[0].pcm, one[0].packets) == (again[0].pcm, again[0].packets)


@pytest.mark.parametrize("text", ["😀", "привет", "你好。", "?!"])
async def test_what_cannot_be_spoken_is_a_short_silence(speech: LocalSpeech, text: str) -> None:
    (sound,) = await said(speech, text)
    assert (sound.text, sound.ms, any(sound.pcm)) == (text, 200, False)


async def test_the_empty_text_is_no_sound(speech: LocalSpeech) -> None:
    assert await said(speech, "") == []


async def test_any_word_is_said_somehow(speech: LocalSpeech) -> None:
    for name in ("Xiomara", "Grzegorz", "zworbtastic", "Qx", "3.7.1-rc2", "naïveté"):
        (sound,) = await said(speech, name)
        assert any(sound.pcm), name
        assert sound.ms > 200


async def test_nothing_is_asked_of_a_network(
    speech: LocalSpeech, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("a network was used")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    Once().loaded()
    pcm = await recording(speech, f"Number {random.randrange(10**6)}.", tmp_path)  # noqa: S311 - not kept from before
    assert await speech.ears.transcribe(pcm)


async def test_only_numpy_and_onnxruntime_are_imported_for_it() -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", IMPORTS, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await child.communicate()
    assert printed.decode().split() == ["numpy", "onnxruntime"]


async def test_leaving_ends_all_threads_and_loading_is_told_once(
    caplog: pytest.LogCaptureFixture, speech: LocalSpeech
) -> None:
    running = set(threading.enumerate())
    with caplog.at_level(logging.INFO, "agentfield.simulator.speech"):
        async with local_speech() as again:
            assert await said(again, "Hello.")
            assert set(threading.enumerate()) - running
    assert not set(threading.enumerate()) - running
    assert caplog.messages == []
    with caplog.at_level(logging.INFO, "agentfield.simulator.speech"):
        Once().loaded()
    (record,) = caplog.records
    assert record.getMessage() == "speech models are loaded"
    assert 0 < vars(record)["seconds"] < 60


async def test_without_the_extra_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    for part in ("loading", "detector", "inference"):
        monkeypatch.delitem(sys.modules, f"agentfield.simulator.speech.{part}")
    monkeypatch.setattr("agentfield.simulator.speech.local._once", Once())
    with pytest.raises(
        SpeechNotInstalled, match=r'pip install "agentfield-sessions\[voice-local\]"'
    ):
        async with local_speech():
            pass
