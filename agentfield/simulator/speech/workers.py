"""Threads of our own for what takes long to compute."""

from __future__ import annotations

__all__ = ["SpeechBusy", "Unwanted", "Workers"]

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self, TypeVar

from agentfield.simulator.senses import SenseFailed

Unwanted = Callable[[], bool]
"""Tells work that is under way whether nobody waits for it any more."""
_Result = TypeVar("_Result")


class SpeechBusy(SenseFailed):
    """So much waits to be heard or spoken that waiting, too, is of no use."""

    def __init__(self, name: str, most: int) -> None:
        super().__init__(
            f"the {name} of the local voice has {most} pieces of work waiting, which is the most; "
            "try again when fewer calls speak at once"
        )


class Workers:
    """A few threads and the work that waits for them."""

    def __init__(self, name: str, *, threads: int, most: int) -> None:
        """Have so many threads and at most so many pieces of work, waiting or under way."""
        self._name = name
        self._most = most
        self._work: set[Future[Any]] = set()
        self._closed = threading.Event()
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=f"speech-{name}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closed.set()
        self._executor.shutdown(wait=False, cancel_futures=True)
        last = [asyncio.wrap_future(each) for each in list(self._work)]
        if last:
            await asyncio.wait(last)
        self._executor.shutdown()

    async def do(self, work: Callable[[Unwanted], _Result]) -> _Result:
        """Return what the work returns.

        Raises SpeechBusy if too much is waiting, CancelledError if the workers are closed.
        """
        if len(self._work) >= self._most:
            raise SpeechBusy(self._name, self._most)
        unwanted = threading.Event()
        future = self._executor.submit(work, lambda: unwanted.is_set() or self._closed.is_set())
        self._work.add(future)
        future.add_done_callback(self._work.discard)
        try:
            return await asyncio.wrap_future(future)
        finally:
            unwanted.set()
