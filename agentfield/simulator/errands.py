"""What takes its time: recognising, thinking and making speech, beside the call."""

from __future__ import annotations

__all__ = ["Errands"]

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TypeVar

from agentfield.process.outcomes import attempted
from agentfield.simulator.effects import Speak, Think, Transcribe
from agentfield.simulator.outcomes import Decided, Failed, Outcome, Spoken, Transcribed
from agentfield.simulator.senses import Ears, Mind, Mouth, SenseFailed, Senses, Sound

_T = TypeVar("_T")

_PATIENCE = 30.0
"""Seconds after which recognising, thinking, or making one piece of speech has failed."""

_log = logging.getLogger("agentfield.simulator")


class _Over(Exception):
    """An errand cannot be done, which has been logged."""


class Errands:
    """Runs them for one call, and brings back what becomes of them."""

    def __init__(
        self,
        *,
        senses: Senses,
        tasks: asyncio.TaskGroup,
        call_id: str,
        bring: Callable[[Outcome], None],
    ) -> None:
        self._senses = senses
        self._tasks = tasks
        self._call_id = call_id
        self._bring = bring
        self._running: dict[str, asyncio.Task[None]] = {}

    def transcribe(self, effect: Transcribe, samples: bytes) -> None:
        """Find out what is said."""
        if self._senses.ears is not None:
            work = partial(self._transcribe, self._senses.ears, effect, samples)
            self._run(effect.item_id, work, Transcribed(item_id=effect.item_id, text=None))

    def think(self, effect: Think) -> None:
        """Find out what the model does."""
        if self._senses.mind is not None:
            work = partial(self._think, self._senses.mind, effect)
            self._run(effect.response_id, work, Failed(response_id=effect.response_id))

    def speak(self, effect: Speak) -> None:
        """Make speech."""
        if self._senses.mouth is not None:
            work = partial(self._speak, self._senses.mouth, effect)
            self._run(effect.response_id, work, Failed(response_id=effect.response_id))

    def stop(self, response_id: str) -> None:
        """Leave off with what is done for a response."""
        if task := self._running.pop(response_id, None):
            task.cancel()

    def stop_all(self) -> None:
        """Leave off with everything."""
        for key in list(self._running):
            self.stop(key)

    def _run(self, key: str, work: Callable[[], Awaitable[None]], failed: Outcome) -> None:
        async def run() -> None:
            try:
                await work()
            except _Over:
                self._bring(failed)

        def forget(done: asyncio.Task[None]) -> None:
            # What was decided may be about to be spoken, under the same key.
            if self._running.get(key) is done:
                del self._running[key]

        self._running[key] = self._tasks.create_task(run(), name="an errand of a call")
        self._running[key].add_done_callback(forget)

    async def _transcribe(self, ears: Ears, effect: Transcribe, samples: bytes) -> None:
        work = partial(ears.transcribe, samples, language=effect.language)
        text = await self._tried("ears", work)
        self._bring(Transcribed(item_id=effect.item_id, text=text))

    async def _think(self, mind: Mind, effect: Think) -> None:
        reply = await self._tried("mind", partial(mind.reply, effect.thought))
        self._bring(Decided(response_id=effect.response_id, reply=reply))

    async def _speak(self, mouth: Mouth, effect: Speak) -> None:
        sounds: AsyncIterator[Sound] | None = None

        async def piece() -> Sound | None:
            nonlocal sounds
            sounds = sounds or aiter(mouth.speak(effect.text, voice=effect.voice))
            return await anext(sounds, None)

        more = True
        while more:
            sound = await self._tried("mouth", piece)
            self._bring(Spoken(response_id=effect.response_id, sound=sound))
            more = sound is not None

    async def _tried(self, sense: str, work: Callable[[], Awaitable[_T]]) -> _T:
        """Return what a sense makes of it. What stands behind a port may fail as it likes."""

        async def in_time() -> _T:
            async with asyncio.timeout(_PATIENCE):
                return await work()

        done = await attempted(in_time())
        if done.error is not None:
            # Its words may be people's.
            is_ours = isinstance(done.error, SenseFailed)
            why = str(done.error) if is_ours else type(done.error).__name__
            _log.warning(
                "a sense has failed; the call goes on",
                extra={"sense": sense, "error": why, "call_id": self._call_id},
            )
            raise _Over from done.error
        return done.get()
