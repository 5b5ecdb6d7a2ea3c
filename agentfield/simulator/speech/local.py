"""Ears and a mouth on this machine, ready for use."""

from __future__ import annotations

__all__ = ["LocalSpeech", "local_speech"]

import logging
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentfield.simulator.senses import Ears, Mouth
from agentfield.simulator.speech.files import SpeechNotInstalled
from agentfield.simulator.speech.workers import Workers

if TYPE_CHECKING:
    from agentfield.simulator.speech.loading import Models

_log = logging.getLogger(__name__)
_THREADS = 2
"""For each of hearing and speaking, so that one long work of a call does not keep all others."""
_MOST_WORK = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSpeech:
    """What hears and what speaks."""

    ears: Ears
    mouth: Mouth


class Once:
    """The models of this process: loaded when they are first needed, and kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._models: Models | None = None

    def loaded(self) -> Models:
        """Return the models, loading them unless they are there."""
        with self._lock:
            if self._models is None:
                from agentfield.simulator.speech.loading import Models

                began = time.monotonic()
                self._models = Models.load()
                seconds = round(time.monotonic() - began, 3)
                _log.info("speech models are loaded", extra={"seconds": seconds})
            return self._models


_once = Once()


@asynccontextmanager
async def local_speech() -> AsyncIterator[LocalSpeech]:
    """Hear and speak until the block is left, without a network.

    The models are loaded once in a process, which takes one to two seconds and 300 MB, and have
    worked once before this yields. All computing is done in threads of its own, which have ended
    when the block is left. Raises SpeechNotInstalled without the extra ``voice-local``, and
    SpeechDamaged if a model is not the one it should be.
    """
    async with (
        Workers("ears", threads=_THREADS, most=_MOST_WORK) as hearing,
        Workers("mouth", threads=_THREADS, most=_MOST_WORK) as speaking,
    ):
        try:
            models = await hearing.do(lambda _: _once.loaded())
        except ModuleNotFoundError as error:
            raise SpeechNotInstalled(error.name or str(error)) from error
        yield LocalSpeech(ears=models.ears(hearing), mouth=models.mouth(speaking))
