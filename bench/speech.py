"""What hearing and speaking on this machine cost, and how well what is said is heard."""

from __future__ import annotations

__all__ = ["measure"]

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from agentfield.simulator.speech import (
    LocalSpeech,
    local_speech,
    read_wav,
    word_errors,
    write_wav,
)
from bench.measure import columns, three
from bench.processes import tells

TITLE = "speech: a sentence at a time, each on one thread"
SENTENCES = (
    "I'd like a refund for order 4711, please.",
    "Your appointment is at 10:30 on Tuesday.",
    "It costs $12.50, including tax.",
    "My name is Ada Lovelace and I live in London.",
    "Where is my order? It should have arrived on the 3rd.",
    "Can you book a table for four people at seven tonight?",
    "What is the weather in Berlin tomorrow?",
    "Please cancel my subscription at the end of the month.",
    "Your package was shipped yesterday and arrives on Friday.",
    "I need to reset my password.",
    "Turn off the lights in the kitchen.",
    "How much money is left in my account?",
    "The invoice number is 90210.",
    "We are open from nine in the morning until six in the evening.",
    "Please speak to Doctor Miller about the results.",
    "The train to Chicago leaves from platform 12.",
    "I would like to change my delivery address.",
    "There are 25 tickets left for the concert.",
    "Thank you very much, that was all I needed.",
    "The quick brown fox jumps over the lazy dog.",
)
LONG = (
    "Your order is a blue kettle, which was shipped yesterday from our warehouse in Ohio, and it "
    "should arrive on Friday. If nobody is at home, the driver leaves it with a neighbor. "
)
_FRAME = 640
"""Bytes of 20 ms at 16 kHz, as they come from a call."""


@dataclass(slots=True, kw_only=True)
class _Stage:
    """How long one kind of work took, each time."""

    name: str
    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    sound: list[float] = field(default_factory=list)
    """Seconds of sound that were heard or made."""

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Measure what is done in the block."""
        wall, processor = time.perf_counter(), time.process_time()
        yield
        self.wall.append(time.perf_counter() - wall)
        self.processor.append(time.process_time() - processor)

    def row(self) -> Sequence[str]:
        """Return a row of the table."""
        of_real_time = sum(self.processor) / sum(self.sound)
        times = [f"{three(each * 1000)}" for each in (median(self.wall), max(self.wall))]
        return (self.name, *times, three(median(self.processor) * 1000), f"{of_real_time:.4f}")


async def measure() -> str:
    """Return the table."""
    before, began = _megabytes(), time.perf_counter()
    async with local_speech() as speech:
        loading, loaded = time.perf_counter() - began, _megabytes() - before
        detecting, silent = _Stage(name="detecting, speech"), _Stage(name="detecting, silence")
        hearing, speaking = _Stage(name="recognising"), _Stage(name="speaking")
        first = _Stage(name="speaking, first piece of a long text")
        wrong = said = 0
        for sentence in SENTENCES:
            pcm = await _spoken(speech, sentence, speaking)
            seconds = len(pcm) / 32_000
            _detect(speech, pcm, detecting, seconds)
            _detect(speech, bytes(len(pcm)), silent, seconds)
            with hearing.timed():
                heard = await speech.ears.transcribe(pcm)
            hearing.sound.append(seconds)
            errors, words = word_errors(sentence, heard)
            wrong, said = wrong + errors, said + words
        for number in range(5):
            await _begun(speech, f"Number {number}: {LONG}", first)
    stages = (detecting, silent, hearing, speaking, first)
    rows = [
        ("stage", "ms", "most", "processor ms", "of real time"),
        *(each.row() for each in stages),
    ]
    return "\n".join(
        [
            TITLE,
            *columns(rows),
            f"loaded in {three(loading)} s, which takes {loaded:.0f} MB",
            f"of {said} words that were said {wrong} were heard otherwise: {100 * wrong / said:.1f} %",
        ]
    )


async def _spoken(speech: LocalSpeech, sentence: str, speaking: _Stage) -> bytes:
    """Return a sentence as ears get it, with silence around it."""
    with speaking.timed():
        sounds = [sound async for sound in speech.mouth.speak(sentence)]
    speaking.sound.append(sum(sound.ms for sound in sounds) / 1000)
    with TemporaryDirectory() as directory:
        file = Path(directory, "said.wav")
        write_wav(file, sounds, before_ms=300, after_ms=500)
        return read_wav(file)


def _detect(speech: LocalSpeech, pcm: bytes, stage: _Stage, seconds: float) -> None:
    listener = speech.ears.listener()
    with stage.timed():
        for at in range(0, len(pcm), _FRAME):
            listener.probability(pcm[at : at + _FRAME])
    stage.sound.append(seconds)


async def _begun(speech: LocalSpeech, text: str, first: _Stage) -> None:
    with first.timed():
        sounds = speech.mouth.speak(text)
        sound = await anext(sounds)
    first.sound.append(sound.ms / 1000)


def _megabytes() -> float:
    if not tells():
        return float("nan")
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024 / 1024
