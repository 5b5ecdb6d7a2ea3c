"""Ears, a mouth and a mind for tests: they hear tones, and speak in tones."""

from __future__ import annotations

__all__ = ["SaidEars", "ToneMouth", "ToneSpeech", "WordyMind"]

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from agentfield.simulator import Reply
from agentfield.simulator.audio import opus_packets
from agentfield.simulator.senses import Sound, Thought
from agentfield.simulator.tone import pcm_tone
from agentfield.simulator.vad import loudness

_LOUD = 0.02


class _LoudIsSpeech:
    def probability(self, pcm: bytes) -> float:
        return 1.0 if loudness(pcm) > _LOUD else 0.0


@dataclass
class SaidEars:
    """Understand what they were told that they would hear."""

    hears: list[str | Exception] = field(default_factory=list)
    heard: list[bytes] = field(default_factory=list)
    """The audio of each utterance."""

    def listener(self) -> _LoudIsSpeech:
        return _LoudIsSpeech()

    async def transcribe(self, pcm: bytes, *, language: str | None = None) -> str:
        self.heard.append(pcm)
        words = self.hears.pop(0)
        if isinstance(words, Exception):
            raise words
        return words


@dataclass
class ToneMouth:
    """Says every sentence as a tone."""

    sentence_ms: int = 400
    fails: Exception | None = None
    waits_after: int | None = None
    """After so many sentences it needs for ever for the next one."""
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    """It was, while it needed for ever."""
    said: list[tuple[str, str | None]] = field(default_factory=list)
    """Texts, and with which voice."""

    async def speak(self, text: str, *, voice: str | None = None) -> AsyncIterator[Sound]:
        self.said.append((text, voice))
        if self.fails is not None:
            raise self.fails
        for number, sentence in enumerate(re.findall(r"[^.!?]+[.!?]*\s*", text)):
            if number == self.waits_after:
                await self._wait()
            yield Sound(
                text=sentence,
                pcm=pcm_tone(self.sentence_ms),
                packets=opus_packets(pcm_tone(self.sentence_ms, rate=48_000)),
                ms=self.sentence_ms,
            )

    async def _wait(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped.set()


@dataclass
class ToneSpeech:
    """Both."""

    ears: SaidEars = field(default_factory=SaidEars)
    mouth: ToneMouth = field(default_factory=ToneMouth)


@dataclass
class WordyMind:
    """Thinks what a function makes of what it is told."""

    thinks: Callable[[Thought], Reply]
    thoughts: list[Thought] = field(default_factory=list)

    async def reply(self, thought: Thought) -> Reply:
        self.thoughts.append(thought)
        return self.thinks(thought)
