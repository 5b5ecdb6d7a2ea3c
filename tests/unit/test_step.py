"""The steps of the set-up tell a person what they do, on a terminal and in a log."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
STEP = [sys.executable, str(ROOT / "scripts/step.py"), "Making tea"]


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


def test_a_step_whose_program_is_missing_says_which_one() -> None:
    done = subprocess.run([*STEP, "no-such-kettle"], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (127, "")
    assert "Making tea: failed, there is no program 'no-such-kettle' in " in done.stdout


def test_ctrl_c_ends_a_step_and_is_no_error_of_ours() -> None:
    command = [*STEP, sys.executable, "-c", "print('boils', flush=True); input()"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert [process.stdout.readline(), process.stdout.readline()] == [
            "Making tea …\n",
            "  boils\n",
        ]
        os.killpg(process.pid, signal.SIGINT)  # a terminal tells all programs in it
        out, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert re.search(r"^Making tea: interrupted in \d+ s$", out, re.MULTILINE)
    assert "scripts/step.py" not in err


def test_on_a_narrow_terminal_the_line_that_tells_the_time_is_cut() -> None:
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 10, 0, 0))
    with subprocess.Popen([*STEP, "true"], stdout=its) as process:
        os.close(its)
        told = os.read(ours, 1000).decode()
        process.wait(timeout=60)
    os.close(ours)

    assert told.startswith("\r\x1b[KMaking  …")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder in which nothing is set up."""
    for name in ("Makefile", "requirements.lock", "pyproject.toml", "scripts"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def test_a_set_up_that_was_interrupted_begins_again_where_it_was(checkout: Path) -> None:
    # What `python -m venv` has made when it is stopped: no pip yet.
    interpreter = checkout / ".venv/bin/python"
    interpreter.parent.mkdir(parents=True)
    interpreter.symlink_to(sys.executable)
    python = checkout / "python"
    python.write_text(
        f'#!/bin/sh\ncase "$1" in -m) echo "a whole one"; exit 7;; esac\n'
        f'exec {sys.executable} "$@"\n'
    )
    python.chmod(0o755)

    words = ["make", "-C", str(checkout), ".venv/.done", f"PYTHON={python}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)

    assert "  a whole one\n" in done.stdout


def test_a_python_that_is_too_old_is_told_before_anything_is_made(checkout: Path) -> None:
    words = ["make", "-C", str(checkout), ".venv/.done", "PYTHON=false"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 2
    assert "This needs Python 3.11 or newer" in done.stderr
    assert not (checkout / ".venv").exists()
