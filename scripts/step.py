"""Run one step of the set-up and say, on a terminal or in a log, what it does and how long it took."""

from __future__ import annotations

__all__ = ["main"]

import subprocess
import sys
import threading
import time
from typing import IO

TERMINAL_SECONDS = 1.0
"""How often the time is told on a terminal, in one line that is written again."""
LOG_SECONDS = 30.0
"""How often it is told in a log, in lines."""


class Telling:
    """What a person reads about a step while it runs."""

    def __init__(self, what: str, out: IO[str]) -> None:
        self._what = what
        self._out = out
        self._live = out.isatty()
        self._began_at = time.monotonic()
        self._over = threading.Event()
        self._lock = threading.Lock()

    def keep_telling(self) -> None:
        """Tell now and again that the step still runs, until it is over."""
        self._show(f"{self._what} …")
        while not self._over.wait(TERMINAL_SECONDS if self._live else LOG_SECONDS):
            self._show(f"{self._what} … {self._seconds}")

    def line(self, text: str) -> None:
        """Pass on what the program of the step says."""
        with self._lock:
            self._write(f"  {text}\n")

    def ended(self, code: int) -> None:
        """Tell what came of it."""
        self._over.set()
        how = "done" if code == 0 else f"failed with exit code {code}"
        with self._lock:
            self._write(f"{self._what}: {how} in {self._seconds}\n")

    @property
    def _seconds(self) -> str:
        return f"{time.monotonic() - self._began_at:.0f} s"

    def _show(self, text: str) -> None:
        with self._lock:
            if not self._over.is_set():
                self._write(text if self._live else f"{text}\n")

    def _write(self, text: str) -> None:
        # On a terminal each line takes the place of the one that tells the time.
        self._out.write(f"\r\x1b[K{text}" if self._live else text)
        self._out.flush()


def main(what: str, command: list[str], out: IO[str] = sys.stdout) -> int:
    """Run a command, and return its exit code.

    Of its lines all are passed on but those in which an installer lists each package.
    """
    telling = Telling(what, out)
    clock = threading.Thread(target=telling.keep_telling, daemon=True)
    clock.start()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout or ():
            if line.strip() and not line.startswith((" + ", " - ", " ~ ")):
                telling.line(line.rstrip())
    telling.ended(process.returncode)
    clock.join()
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
