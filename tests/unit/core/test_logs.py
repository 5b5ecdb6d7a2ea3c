"""Logs: one JSON object a line, which says where it belongs and quotes nobody."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
from collections.abc import Iterator
from contextvars import copy_context
from typing import Any

import pytest

from agentfield.process import tracing
from agentfield.process.flags import ConfigError
from agentfield.process.logs import about, configure_logging

pytestmark = pytest.mark.unit

log = logging.getLogger("agentfield.tested")
PARENT = "00-0123456789abcdef0123456789abcdef-00f067aa0ba902b7-01"


class Lines(io.StringIO):
    """What was logged."""

    def last(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.getvalue().splitlines()[-1])
        return found


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    written = Lines()
    monkeypatch.setattr(sys, "stderr", written)
    configure_logging("debug")
    yield written
    root.handlers[:] = before
    root.setLevel(level)


def test_a_line_has_its_fields_beside_its_message(lines: Lines) -> None:
    log.info("it happened", extra={"count": 3})
    line = lines.last()
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "agentfield.tested",
        "message": "it happened",
        "count": 3,
    }


async def test_lines_of_a_block_and_of_its_tasks_name_what_they_are_about(lines: Lines) -> None:
    async def work() -> None:
        log.debug("in a task")

    with about(session_id="sess_1", execution_id=""), about(execution_id="exec_1"):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(work())
    inside = lines.last()
    log.debug("outside")
    assert (inside["session_id"], inside["execution_id"]) == ("sess_1", "exec_1")
    assert "session_id" not in lines.last()


def test_what_a_line_itself_says_counts(lines: Lines) -> None:
    with about(session_id="sess_1"):
        log.info("of another", extra={"session_id": "sess_2"})
    assert lines.last()["session_id"] == "sess_2"


def test_a_line_names_the_trace_it_belongs_to(lines: Lines) -> None:
    with tracing.within(PARENT):
        log.info("inside")
    _, trace_id, span_id, _ = PARENT.split("-")
    assert (lines.last()["trace_id"], lines.last()["span_id"]) == (trace_id, span_id)


def test_an_error_is_logged_by_type_and_place_and_never_in_its_words(lines: Lines) -> None:
    words = "people said this"

    def fail() -> None:
        raise KeyError(words)

    try:
        try:
            fail()
        except KeyError as error:
            raise ExceptionGroup(words, [ValueError(words)]) from error
    except ExceptionGroup:
        log.exception("it failed")
    told = lines.last()["exception"]
    assert [line for line in told.splitlines() if not line.startswith(" ")] == [
        "ExceptionGroup",
        "ValueError",
        "after",
        "KeyError",
    ]
    assert " fail" in told
    assert words not in lines.getvalue()


def test_a_level_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match="not 'loud'"):
        configure_logging("loud")


def test_a_block_may_end_in_another_context_than_it_began_in() -> None:
    block = about(session_id="sess_1")
    copy_context().run(block.__enter__)

    block.__exit__(None, None, None)
