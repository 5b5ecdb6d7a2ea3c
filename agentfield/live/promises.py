"""What rpcs wait for: steps of a session answer it, and the end of its task answers the rest."""

from __future__ import annotations

__all__ = ["Promises", "draining", "fulfil"]

import asyncio
from typing import Any

from agentfield.v1 import errors


class Promises:
    """The futures that one session owes."""

    def __init__(self) -> None:
        self._open: set[asyncio.Future[Any]] = set()
        self._closed: errors.AgentFieldError | None = None

    @property
    def closed(self) -> bool:
        """Whether no step is taken any more."""
        return self._closed is not None

    def owe(self) -> asyncio.Future[Any]:
        """Return a future for a step to answer. Raises what they were closed with."""
        if self._closed is not None:
            raise self._closed
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._open.add(future)
        future.add_done_callback(self._open.discard)
        return future

    def close(self, error: errors.AgentFieldError) -> None:
        """Answer those who still wait with an error, and owe nothing from now on."""
        self._closed = self._closed or error
        for future in [each for each in self._open if not each.done()]:
            future.set_exception(error)
            future.exception()  # whoever asked may have gone


def fulfil(future: asyncio.Future[None]) -> None:
    """Answer one who waits for no more than that something is done."""
    if not future.done():
        future.set_result(None)


def draining(what_to_do: str) -> errors.ServerDraining:
    """Return the error that sends callers to this server's next start."""
    return errors.ServerDraining(f"This server is going down. {what_to_do}", retry_after=0.5)
