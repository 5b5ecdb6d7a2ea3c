"""How long to wait between attempts, and when to give up."""

from __future__ import annotations

__all__ = ["Backoff", "Patience"]

import asyncio
import random
from dataclasses import dataclass

from agentfield.v1.errors import AgentFieldError


@dataclass(slots=True)
class Backoff:
    """Waits that double up to a limit, each shortened by chance so that clients spread out."""

    first: float = 0.05
    most: float = 2.0
    _reached: float = 0.0

    def next(self) -> float:
        """Return the seconds to wait before the next attempt."""
        self._reached = min(self.most, self._reached * 2 or self.first)
        return self._reached * random.uniform(0.5, 1.0)  # noqa: S311 - spreading, not secrecy

    def reset(self) -> None:
        """Begin again with short waits."""
        self._reached = 0.0


class Patience:
    """Waits between the attempts of one outage, and ends them when it lasts too long."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._backoff = Backoff()
        self._give_up_at: float | None = None

    def renew(self) -> None:
        """Note that the server was reached: what fails from here on is a new outage."""
        self._backoff.reset()
        self._give_up_at = None

    async def wait(self, error: AgentFieldError, *, until: float = float("inf")) -> None:
        """Wait before the next attempt.

        Raises the error instead if it will not pass, if the outage has lasted too long, or if the
        wait would end after ``until``, a time of the event loop's clock.
        """
        now = asyncio.get_running_loop().time()
        if self._give_up_at is None:
            self._give_up_at = now + self._seconds
        wait = max(self._backoff.next(), error.retry_after or 0.0)
        if not error.retryable or now + wait > min(self._give_up_at, until):
            raise error
        await asyncio.sleep(wait)
