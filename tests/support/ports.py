"""Ports of this machine, for programs that are told where to listen."""

from __future__ import annotations

__all__ = ["held_port"]

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held_port() -> Iterator[int]:
    """Give a port that nobody gets by chance while the block runs, whether it is in use or not.

    Tests run side by side, and servers under test are stopped and started on the same port. It is
    bound here, and not listened on: on Linux who is told of it can listen on it, while no outgoing
    connection gets it, nor does anybody who asks for any free port.
    """
    with socket.socket() as holding:
        holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holding.bind(("127.0.0.1", 0))
        port: int = holding.getsockname()[1]
        if sys.platform != "linux":  # others let nobody listen there meanwhile
            holding.close()
        yield port
