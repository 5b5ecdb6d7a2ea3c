"""Ctrl-C ends a command at any moment."""

from __future__ import annotations

__all__ = ["woken_by_signals"]

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager


@contextmanager
def woken_by_signals(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Have signals wake a loop of the main thread while the block runs.

    A signal that comes after Python has looked for signals and before the loop begins to wait would
    otherwise be noticed only when something else wakes the loop.
    """
    with ExitStack() as stack:
        ours, its = (stack.enter_context(closing(end)) for end in socket.socketpair())
        its.setblocking(False)
        loop.add_reader(ours, ours.recv, 64)
        stack.callback(loop.remove_reader, ours)
        stack.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(its.fileno()))
        yield
