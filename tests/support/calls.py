"""Sessions and their calls, as they are stored."""

from __future__ import annotations

__all__ = ["TOOL_CALL", "call", "tool_calls"]

from dataclasses import replace

from agentfield.sessions.model import (
    CallState,
    ProviderCall,
    ToolCall,
)
from agentfield.store.database import Database


def call(generation: int = 1, **values: object) -> ProviderCall:
    stored = ProviderCall(
        provider_call_id=f"call_{generation}",
        session_id="sess_1",
        generation=generation,
        provider="openai",
        transport="webrtc",
        state=CallState.CREATING,
        created_at=generation,
        offer_sha256=b"offer",
    )
    return replace(stored, **values)  # type: ignore[arg-type] # a table's row


TOOL_CALL = ToolCall(
    provider_call_id="call_1",
    call_id="c1",
    session_id="sess_1",
    name="look",
    arguments='{"a": "a secret"',
)


async def tool_calls(database: Database) -> list[tuple[object, ...]]:
    return await database.read(
        lambda c: c.execute(
            "SELECT provider_tool_call_id, arguments, execution_id, output, delivered_at"
            " FROM tool_calls ORDER BY provider_tool_call_id"
        ).fetchall()
    )
