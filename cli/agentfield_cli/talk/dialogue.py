"""Whose turn it is in a conversation, as far as the session's events tell."""

from __future__ import annotations

__all__ = ["Dialogue"]

from collections.abc import Mapping
from typing import Any


class Dialogue:
    """Knows whether the agent has finished its answer. Fed with a session's events in their order."""

    def __init__(self) -> None:
        self.turns = 0
        """How many turns of the caller were heard."""
        self.end: Mapping[str, Any] | None = None
        """The facts of ``session.ended``."""
        self.live = False
        """Whether the session has been live."""
        self._caller_speaks = False
        self._owed = False
        self._speaking: set[str] = set()
        """Commands that no response has answered, and responses that are not over."""
        self._said: set[str] = set()
        self._tools: set[str] = set()

    @property
    def settled(self) -> bool:
        """Whether nobody speaks, no tool runs and no answer is waited for."""
        return not (self._caller_speaks or self._owed or self._speaking or self._tools)

    def add(self, type_: str, data: Mapping[str, Any]) -> None:
        """Take an event in."""
        match type_:
            case "session.live":
                self.live = True
            case "session.ended":
                self.end = data
            case "speech.started":
                self._caller_speaks = True
            case "turn.committed":
                self.turns += 1
                self._caller_speaks, self._owed = False, True
            case "turn.transcribed" if not data["text"]:
                self._owed = False  # noise: nobody answers
            case "tool.called" if data.get("source") == "model":
                self._tools.add(data["call_id"])
            case "tool.output":
                self._tools.discard(data["call_id"])
                self._owed = True  # the model goes on
            case _:
                self._agent(type_, data)

    def _agent(self, type_: str, data: Mapping[str, Any]) -> None:
        response_id = data.get("response_id", "")
        match type_:
            case "agent.asked":
                self._speaking.add(data["command_id"])
            case "agent.started":
                self._speaking.discard(data["command_id"])
                self._speaking.add(response_id)
            case "agent.said":
                self._said.add(response_id)
            case "response.done" if data["status"] != "completed":
                self._speaking.discard(response_id)
                if data["status"] == "failed":
                    self._owed = False  # it is not tried again
            case "response.done" if response_id not in self._said:
                self._speaking.discard(response_id)  # it called tools, and said nothing
            case "agent.heard":
                self._speaking.discard(response_id)
                self._speaking.discard(data["command_id"])
                self._owed = False
            case "provider.error":
                self._speaking.discard(data.get("command_id", ""))
