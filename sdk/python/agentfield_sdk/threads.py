"""Plain functions beside the event loop."""

from __future__ import annotations

__all__ = ["in_thread"]

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from typing import TypeVar

R = TypeVar("R")
Outcome = tuple[R | None, BaseException | None]


async def in_thread(function: Callable[[], R]) -> R:
    """Run a function in a thread of its own that sees this task's context.

    A cancelled wait abandons the thread: it runs to its end, unheard, and never keeps the process
    alive. That is why this is no thread pool: its threads are joined at exit, and abandoned ones
    would use it up.
    """
    loop = asyncio.get_running_loop()
    heard: asyncio.Future[Outcome[R]] = loop.create_future()
    context = contextvars.copy_context()

    def tell(outcome: Outcome[R]) -> None:
        if not heard.done():
            heard.set_result(outcome)

    def run() -> None:
        outcome: Outcome[R]
        try:
            outcome = (context.run(function), None)
        except BaseException as error:  # noqa: BLE001 - it is raised again where it is awaited
            outcome = (None, error)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            loop.call_soon_threadsafe(tell, outcome)

    threading.Thread(target=run, name="agentfield-function", daemon=True).start()
    value, error = await heard
    if error is not None:
        raise error
    return value  # type: ignore[return-value] # without an error there is a value
