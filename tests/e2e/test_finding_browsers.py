"""How the browser of the tests is found, and what is said where there is none."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

FIND = Path(__file__).parents[2] / "scripts" / "chromium.sh"


def test_where_there_is_no_browser_one_is_told_what_to_do(tmp_path: Path) -> None:
    for name in ("sh", "id"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    without = os.environ | {"PATH": str(tmp_path), "CHROMIUM": ""}
    told = subprocess.run([str(FIND)], env=without, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "install it, or name it in CHROMIUM" in told.stderr
    wrong = os.environ | {"CHROMIUM": "no-such-browser"}
    told = subprocess.run([str(FIND)], env=wrong, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "'no-such-browser', which is no program" in told.stderr


def test_the_browser_that_somebody_names_is_taken(tmp_path: Path) -> None:
    own = tmp_path / "own browser"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    named = os.environ | {"CHROMIUM": str(own)}
    told = subprocess.run([str(FIND)], env=named, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout) == (0, f"{own}\n")
