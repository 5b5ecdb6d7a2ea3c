"""What docs/python.md says of the package is what the package is."""

from __future__ import annotations

import dataclasses
import inspect
import re
import tomllib
from pathlib import Path

import pytest

from agentfield_sdk import Sessions, SessionTurn, Speech
from agentfield_sdk.session_declaration import LIMITS

pytestmark = pytest.mark.unit

_ROOT = Path(__file__).parents[3]
_TEXT = (_ROOT / "docs/python.md").read_text()


def test_it_names_the_dependencies_and_the_extras() -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    sentence = _TEXT.partition("needs only")[2].partition("add what")[0]
    needed = sentence.partition(";")[0].replace(" and ", ", ")

    dependencies = {re.split(r"[>=<\[]", each)[0] for each in project["dependencies"]}
    assert {word.strip() for word in needed.split(",")} == dependencies
    assert set(re.findall(r"`([\w-]+)`", sentence)) == set(project["optional-dependencies"])


@pytest.mark.parametrize("kind", [SessionTurn, Speech])
def test_it_lists_the_fields_of_what_was_said(kind: type) -> None:
    listed = _TEXT.partition(f"A `{kind.__name__}` is")[2].split("\n\n")[1]
    named = re.findall(r"^\| (.+?) \|", listed, re.MULTILINE)

    fields = {field.name for field in dataclasses.fields(kind)}
    assert set(re.findall(r"`(\w+)`", " ".join(named))) == fields


def test_it_shows_all_that_a_tool_can_be_called_with() -> None:
    parameters = inspect.signature(Sessions.invoke_tool).parameters.values()
    shown = ", ".join(
        p.name if p.default is p.empty else f"{p.name}={p.default!r}"
        for p in parameters
        if p.name != "self"
    ).replace("''", '""')

    assert f"invoke_tool({shown})" in _TEXT


def test_what_is_iterated_over_is_not_shown_as_awaited() -> None:
    for name, method in inspect.getmembers(Sessions, inspect.isasyncgenfunction):
        assert f"in client.sessions.{name}(" in _TEXT, method


def test_it_has_the_most_of_each_limit() -> None:
    for limit, most in LIMITS.items():
        assert f"`{limit}` {most:g}" in " ".join(_TEXT.split())
