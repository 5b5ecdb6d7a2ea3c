"""Synchronous functions that wait for coroutines, without a thread of their own."""

from __future__ import annotations

__all__ = ["run_waiting", "wait_for"]

import contextvars
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")


def wait_for(awaitable: Awaitable[T]) -> T:
    """Wait, inside a function that ``run_waiting`` runs; the event loop goes on meanwhile."""
    parent = getcurrent().parent
    if parent is None:
        raise RuntimeError("only what run_waiting runs can wait")
    result: T = parent.switch(awaitable)
    return result


async def run_waiting(function: Callable[..., T], *arguments: Any) -> T:
    """Run a synchronous function and await for it what it waits for; return its result."""
    child = greenlet(function)
    child.gr_context = contextvars.copy_context()
    outcome: Any = child.switch(*arguments)
    while not child.dead:
        try:
            awaited = await outcome
        except BaseException as error:  # noqa: BLE001 - it belongs to the function
            outcome = child.throw(error)
        else:
            outcome = child.switch(awaited)
    result: T = outcome
    return result
