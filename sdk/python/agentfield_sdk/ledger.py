"""What a worker has accepted and not yet settled."""

from __future__ import annotations

__all__ = ["Attempt", "Ledger"]

from typing import NamedTuple


class Attempt(NamedTuple):
    """One dispatch of one execution."""

    execution_id: str
    attempt: int


class Ledger:
    """The attempts of one worker, from Execute until the report is answered or forgotten."""

    def __init__(self) -> None:
        self._reporting: dict[Attempt, bool] = {}

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Everything accepted and not settled, for Hello."""
        return tuple(self._reporting)

    def accept(self, attempt: Attempt) -> bool:
        """Take an attempt in; return False if it is here already."""
        if attempt in self._reporting:
            return False
        self._reporting[attempt] = False
        return True

    def may_stop(self, attempt: Attempt) -> bool:
        """Return whether a Cancel still finds a function to stop.

        A report on its way is let go: the server keeps it as late.
        """
        return self._reporting.get(attempt) is False

    def report(self, attempt: Attempt) -> None:
        """Note that the function has ended, unless it was given up before."""
        if attempt in self._reporting:
            self._reporting[attempt] = True

    def settle(self, attempt: Attempt) -> None:
        """Forget an attempt; the worker is ready for another."""
        del self._reporting[attempt]
