"""What the page about existing clients names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from support.golden import FOLDER, golden

from agentfield_gateway.routes import contract_routes

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "existing-clients.md").read_text()
LINES = re.findall(r"^(\d+)\. (.*(?:\n   .*)*)", PAGE, re.MULTILINE)


def named_in(text: str) -> list[tuple[str, str]]:
    return re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", text)


def functions_of(path: str) -> set[str]:
    """Return the names of a module's functions."""
    body = ast.parse((ROOT / path).read_text()).body
    return {node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_each_of_the_thirty_weaknesses_has_a_line_and_a_test() -> None:
    assert [int(number) for number, _ in LINES] == list(range(1, 31))
    for number, text in LINES:
        assert named_in(text), f"{number} names no test"


def test_every_test_it_names_exists() -> None:
    named = named_in(PAGE)
    missing = [f"{path}::{name}" for path, name in named if name not in functions_of(path)]

    assert len(named) >= 30
    assert missing == []


def test_it_names_every_golden_file_and_no_other() -> None:
    files = {path.name for path in FOLDER.glob("*.json")}

    assert set(re.findall(r"`(\w+\.json)`", PAGE)) == files
    assert all(golden(name.removesuffix(".json"))["about"] for name in files)


def test_every_golden_file_is_held_against_an_answer() -> None:
    sources = [
        (ROOT / "tests" / "integration" / name).read_text()
        for name in ("test_existing_clients.py", "test_existing_sessions.py")
    ]
    held = set(re.findall(r'\.check\(\s*"(\w+)"', "".join(sources)))

    assert held == {path.stem for path in FOLDER.glob("*.json")}


def test_the_paths_it_names_are_served() -> None:
    names = {"{node}.{session}": "{target}", "{id}": "{session_id}"}
    served = {f"{route.verb} {route.template}" for route in contract_routes()}
    families = re.findall(r"`(POST /api/v1/session[^`]+)`", PAGE)
    for family in families:
        template = family
        for ours, theirs in names.items():
            template = template.replace(ours, theirs)
        assert template in served

    assert len(families) == 6
