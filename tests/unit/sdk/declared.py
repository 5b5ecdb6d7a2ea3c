"""What sessions are declared with."""

from __future__ import annotations

__all__ = ["OPENAI", "TURNS"]

from typing import Any

OPENAI: dict[str, Any] = {"provider": "openai", "transport": "webrtc"}
TURNS: dict[str, Any] = {"provider": "openrouter", "transport": "audio_turns"}
