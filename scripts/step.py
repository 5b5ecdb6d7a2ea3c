"""Run one step of the set-up and say, on a terminal or in a log, what it does and how long it took."""

from __future__ import annotations

__all__ = ["main"]

import os
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
        self._show(" …")
        while not self._over.wait(TERMINAL_SECONDS if self._live else LOG_SECONDS):
            self._show(f" … {self._seconds}")

    def line(self, text: str) -> None:
        """Pass on what the program of the step says."""
        with self._lock:
            self._write(f"  {text}\n")

    def ended(self, how: str) -> None:
        """Tell what came of it."""
        self._over.set()
        with self._lock:
            self._write(f"{self._what}: {how} in {self._seconds}\n")

    @property
    def _seconds(self) -> str:
        return f"{time.monotonic() - self._began_at:.0f} s"

    def _show(self, end: str) -> None:
        with self._lock:
            if self._over.is_set():
                return
            if self._live:
                # What is longer than the terminal is wide could not be written over.
                width = os.get_terminal_size(self._out.fileno()).columns or sys.maxsize
                self._write(self._what[: max(0, width - 1 - len(end))] + end)
            else:
                self._write(f"{self._what}{end}\n")

    def _write(self, text: str) -> None:
        # On a terminal each line takes the place of the one that tells the time.
        self._out.write(f"\r\x1b[K{text}" if self._live else text)
        self._out.flush()


def main(what: str, command: list[str], out: IO[str] = sys.stdout) -> int:
    """Run a command, and return its exit code, or a shell's for what is not there or is interrupted.

    Of its lines all are passed on but those in which an installer lists each package.
    """
    telling = Telling(what, out)
    clock = threading.Thread(target=telling.keep_telling, daemon=True)
    clock.start()
    try:
        code = _run(command, telling)
        how = "done" if code == 0 else f"failed with exit code {code}"
    except FileNotFoundError as missing:
        code, how = 127, f"failed, there is no program '{missing.filename}'"
    except KeyboardInterrupt:  # the command has got it, too
        code, how = 130, "interrupted"
    telling.ended(how)
    clock.join()
    return code


def _run(command: list[str], telling: Telling) -> int:
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout or ():
            if line.strip() and not line.startswith((" + ", " - ", " ~ ")):
                telling.line(line.rstrip())
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
