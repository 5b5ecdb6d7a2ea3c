"""What a step of a session orders: changes that are stored together, then things that are done."""

from __future__ import annotations

__all__ = ["Order", "Then"]

from collections.abc import Callable
from dataclasses import dataclass

from agentfield.sessions.effects import Effect
from agentfield.sessions.ports import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Then:
    """Call this once everything of the step is on disk."""

    run: Callable[[], object]


Order = Effect | Change | Then
