"""A phone call to two agents in which everybody really speaks: ``python examples/demo.py``.

Every part is a process of its own, as in production: the control plane, the agents, and in place
of the provider a program of this machine that hears and speaks. With ``--keep`` everything goes on
after the call, and a person can talk to it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def terminal() -> Iterator[None]:
    """Have Ctrl-C reach this program alone: make, which may have started it, would call it an error."""
    if not _has_terminal():
        yield
        return
    before = os.getpgrp()
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # or giving it back would stop us
    if before != os.getpid():
        os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpgrp())
    try:
        yield
    finally:
        os.tcsetpgrp(0, before)


def _has_terminal() -> bool:
    """Say whether there is a terminal whose Ctrl-C comes to us."""
    try:
        return sys.stdin is not None and sys.stdin.isatty() and os.tcgetpgrp(0) == os.getpgrp()
    except OSError:  # there is one, but it controls nothing of ours
        return False


def call_and_tell(*, go_on: bool) -> None:
    """Do all that the demo does, or say why not."""
    print("Starting\n", flush=True)
    # What it takes is a lot, and loads for seconds.
    from demo_call import FAILURES, main

    try:
        asyncio.run(main(go_on=go_on))
    except BrokenPipeError:
        raise
    except FAILURES as error:
        sys.exit(f"\nThe demo failed: {error}")


if __name__ == "__main__":
    try:
        with terminal():
            call_and_tell(go_on="--keep" in sys.argv)
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)
    except BrokenPipeError:
        # Whoever reads our output has seen enough. What is still buffered goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
