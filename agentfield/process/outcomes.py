"""What came of work that is done for somebody else: a result, or the error that is theirs."""

from __future__ import annotations

__all__ = ["Outcome", "attempt", "attempted"]

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Generic[T]):
    """A result, or an error in its place."""

    result: T | None = None
    error: Exception | None = None

    def get(self) -> T:
        """Return the result, or raise the error."""
        if self.error is not None:
            raise self.error
        return cast("T", self.result)

    def tell(self, answer: asyncio.Future[T]) -> None:
        """Answer who waits, unless they have gone."""
        if answer.done():
            return
        if self.error is not None:
            answer.set_exception(self.error)
        else:
            answer.set_result(cast("T", self.result))


def attempt(work: Callable[[], T]) -> Outcome[T]:
    """Do something, and return what came of it."""
    try:
        return Outcome(result=work())
    except Exception as error:  # noqa: BLE001 - it is theirs for whom it was done
        return Outcome(error=error)


async def attempted(work: Awaitable[T]) -> Outcome[T]:
    """Await something, and return what came of it; a cancellation passes through."""
    try:
        return Outcome(result=await work)
    except Exception as error:  # noqa: BLE001 - it is theirs for whom it was done
        return Outcome(error=error)
