"""The steps of the set-up tell a person what they do, on a terminal and in a log."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

STEP = [sys.executable, str(Path(__file__).parents[2] / "scripts/step.py"), "Making tea"]


def run(program: str) -> subprocess.CompletedProcess[str]:
    """Run a step whose output goes to a pipe, as it does where it is logged."""
    command = [*STEP, sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_log_has_a_line_before_the_step_and_one_after_it_and_what_the_program_says() -> None:
    done = run("print('Downloading leaves (3 MiB)'); print(' + leaf==1'); print()")

    assert (done.returncode, done.stderr) == (0, "")
    told = re.sub(r"\d+ s", "N s", done.stdout).splitlines()
    assert told == ["Making tea …", "  Downloading leaves (3 MiB)", "Making tea: done in N s"]


def test_a_step_that_fails_says_so_and_fails_with_the_same_code() -> None:
    done = run("import sys; print('no water', file=sys.stderr); sys.exit(7)")

    assert done.returncode == 7
    assert "\n  no water\n" in done.stdout
    assert re.search(r"^Making tea: failed with exit code 7 in \d+ s$", done.stdout, re.MULTILINE)


def test_on_a_terminal_one_line_tells_the_time_until_the_step_is_over() -> None:
    ours, its = pty.openpty()
    with subprocess.Popen(
        [*STEP, sys.executable, "-c", "print(input())"],
        stdin=subprocess.PIPE,
        stdout=its,
        text=True,
    ) as process:
        os.close(its)
        told = ""
        while not re.search(r"\r\x1b\[KMaking tea … \d+ s", told):
            told += os.read(ours, 1000).decode()
        process.communicate("Poured\n", timeout=60)
        told += os.read(ours, 1000).decode()
    os.close(ours)

    assert process.returncode == 0
    *_, poured, end, after = told.split("\r\n")
    assert poured.rpartition("\x1b[K")[2] == "  Poured"
    assert re.fullmatch(r"\r\x1b\[KMaking tea: done in \d+ s", end)
    assert after == ""
