"""A response that calls tools."""

from __future__ import annotations

__all__ = ["ITEM", "begun", "output_added"]

from typing import Any

from unit.sessions.stage import Stage

from agentfield.sessions import provider as p
from agentfield.sessions.leading import Leader
from agentfield.sessions.tools import output_item_id

ITEM = output_item_id("secret_1", "call-1")


def begun(leader: Leader = Leader.PROVIDER, **declared: Any) -> Stage:
    stage = Stage(leader, **declared)
    stage.tell(p.SpeechBegun(response_id="resp-1"))
    return stage


def output_added(item_id: str = ITEM) -> p.ItemAdded:
    return p.ItemAdded(
        item_id=item_id, previous_item_id=None, type="function_call_output", call_id="call-1"
    )
