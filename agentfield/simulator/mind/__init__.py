"""Minds of the provider: what decides which functions are called and what is said."""

from __future__ import annotations

__all__ = ["ChatFailed", "ChatMind", "LocalMind"]

from agentfield.simulator.mind.chat import ChatFailed, ChatMind
from agentfield.simulator.mind.local import LocalMind
