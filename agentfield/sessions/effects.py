"""What a conversation wants done: everything it decides leaves it as one of these."""

from __future__ import annotations

__all__ = [
    "CancelTool",
    "Do",
    "Effect",
    "End",
    "GoLive",
    "Live",
    "Log",
    "Outbox",
    "Resolve",
    "RunTool",
    "Save",
    "Send",
    "Spoken",
    "Updated",
]

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agentfield.contract.turns import HeardTurn
from agentfield.sessions.model import EndReason, ToolCall
from agentfield.sessions.provider import Command
from agentfield.v1 import errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """Put an event into the log."""

    type: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Save:
    """Store a tool call, new or changed."""

    call: ToolCall


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Tell those who watch now; it is not in the log."""

    type: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Tell the provider, once everything logged before is stored."""

    command: Command


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTool:
    """Run a tool as an execution; ``tool_finished`` is told how it went."""

    call_id: str
    target: str
    input: bytes
    timeout: float
    """Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelTool:
    """Cancel the execution of a tool call."""

    call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """What became of a piece of speech that somebody waits for."""

    text: str
    """What was asked for; empty: the model chose."""
    spoken_text: str
    verbatim: bool
    heard_text: str
    heard_ms: int
    estimated: bool
    outcome: str
    turn: HeardTurn | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Updated:
    """The changed configuration is in force."""

    tool_targets: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolve:
    """Answer whoever waits for a command."""

    command_id: str
    result: Spoken | Updated | bool | errors.AgentFieldError


@dataclass(frozen=True, slots=True, kw_only=True)
class GoLive:
    """The provider has confirmed the configuration for the first time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """End the session."""

    reason: EndReason
    detail: str = ""


Do = Live | Send | RunTool | CancelTool | Resolve | GoLive | End
"""What is done after what was recorded is on disk."""
Effect = Log | Save | Do


@dataclass(slots=True)
class Outbox:
    """Effects in the order they were decided, until they are taken."""

    _effects: list[Effect] = field(default_factory=list)
    observe: Callable[[str, Mapping[str, Any]], None] | None = None
    """Is told what is logged."""

    def put(self, effect: Effect) -> None:
        self._effects.append(effect)

    def log(self, type_: str, **data: Any) -> None:
        self._effects.append(Log(type=type_, data=data))
        if self.observe is not None:
            self.observe(type_, data)

    def take(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects
