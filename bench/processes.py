"""What processes of this machine have used, as Linux tells it."""

from __future__ import annotations

__all__ = ["open_files", "processor", "resident", "tells"]

import os
from pathlib import Path

from bench.servers import Addresses


def tells() -> bool:
    """Return whether this machine tells it."""
    return Path("/proc/self/statm").exists()


def resident(process: Addresses) -> float:
    """Return how many kilobytes of a process are in memory."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


def processor(process: Addresses) -> float:
    """Return how many seconds of processor time a process has used."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def open_files(process: Addresses) -> int:
    """Return how many files and sockets a process holds open."""
    return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
