"""The logs that the page's tests replay: they hold the page's fold to this one."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from agentfield.contract.turns import Turns

pytestmark = pytest.mark.unit

LOGS = sorted((Path(__file__).parents[2] / "console/test/logs").glob("*.json"))


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_the_pages_logs_say_what_was_said(path: Path) -> None:
    recorded: dict[str, Any] = json.loads(path.read_text())
    turns = Turns()
    for event in recorded["events"]:
        at = datetime.fromisoformat(event["at"])
        turns.add(event["type"], event["data"], round(at.timestamp() * 1_000_000))

    found = [(turn.item_id, turn.role, turn.text) for turn in turns.history()]
    assert found == [(turn["item_id"], turn["role"], turn["text"]) for turn in recorded["turns"]]
    assert [turn.interrupted for turn in turns.history()] == [
        turn["interrupted"] for turn in recorded["turns"]
    ]
