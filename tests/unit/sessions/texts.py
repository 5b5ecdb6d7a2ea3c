"""A text that is to be said, and the provider's events about it."""

from __future__ import annotations

__all__ = [
    "BUSY",
    "CLEARED",
    "CUT",
    "DONE",
    "ITEM",
    "RESP",
    "SAID",
    "STARTED",
    "STOPPED",
    "TEXT",
    "playing",
    "saying",
]

from typing import Any

from unit.sessions.stage import Stage

from agentfield.sessions import provider as p

TEXT = "One two three four five six seven eight nine ten."
RESP, ITEM = "resp-1", "resp-1-item"
STARTED = p.PlaybackStarted(response_id=RESP)
STOPPED = p.PlaybackStopped(response_id=RESP)
CLEARED = p.PlaybackCleared(response_id=RESP)
SAID = p.AgentSaid(response_id=RESP, item_id=ITEM, text=TEXT)
DONE = p.SpeechDone(response_id=RESP, command_id="cmd_1", has_audio=True, item_ids=(ITEM,))
CUT = p.SpeechDone(
    response_id=RESP, command_id="cmd_1", status="cancelled", reason="turn_detected", has_audio=True
)
BUSY = p.Failed(code="busy", message="busy", command_id="cmd_1", busy=True)


def saying(text: str = TEXT, **facts: Any) -> Stage:
    """Return a stage on which a text is being said."""
    stage = Stage()
    stage.say(text, **facts)
    stage.begin()
    return stage


def playing() -> Stage:
    stage = saying()
    stage.tell(STARTED, p.AgentDelta(response_id=RESP, item_id=ITEM, delta="One"))
    return stage
