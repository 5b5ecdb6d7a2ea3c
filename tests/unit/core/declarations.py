"""Declarations of sessions."""

from __future__ import annotations

__all__ = ["FULL", "MATRIX", "PLAIN"]


from agentfield.rpc import convert
from agentfield.sessions.declaration import (
    Declaration,
    DeclaredLimits,
    ToolOption,
)

MATRIX = convert.matrix()
PLAIN = Declaration(name="talk", provider="openai", transport="webrtc")
FULL = Declaration(
    name="talk",
    provider="openai",
    transport="webrtc",
    model="m",
    modalities=("text",),
    voice="v",
    instructions="Be kind.",
    tools=("look", "m.look"),
    tags=("a", "b"),
    metadata=b'{"n":  9007199254740993}',
    turn_detection={"type": "semantic_vad", "eagerness": "low", "create_response": False},
    transcription={"model": "t", "language": "de"},
    data_channel="refuse",
    limits=DeclaredLimits(
        connect_timeout=1.5,
        idle_timeout=2.5,
        max_duration=3.5,
        tool_timeout=4.5,
        transcript_timeout=5.5,
        handler_grace=6.5,
        max_sessions=7,
    ),
    tool_options=(ToolOption(tool="look", timeout=0.25, cancel_on_interrupt=True),),
    has_handler=True,
)
