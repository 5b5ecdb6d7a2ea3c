"""Rows of tool calls, and the functions that may become tools."""

from __future__ import annotations

__all__ = ["find_tool_calls", "functions", "put_tool_call"]

from collections.abc import Mapping, Sequence

from agentfield.sessions.model import ToolCall
from agentfield.sessions.ports import DeclaredFunction
from agentfield.store.database import Connection


def put_tool_call(connection: Connection, call: ToolCall, *, now: int) -> None:
    """Store a tool call, new or changed; of its delivery the first time is kept."""
    c = call
    connection.execute(
        "INSERT INTO tool_calls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (provider_call_id, provider_tool_call_id) DO UPDATE SET"
        " execution_id = excluded.execution_id, output_item_id = excluded.output_item_id,"
        " output = excluded.output,"
        " delivered_at = coalesce(tool_calls.delivered_at, excluded.delivered_at)",
        (
            c.provider_call_id,
            c.call_id,
            c.session_id,
            c.execution_id,
            c.name,
            c.arguments,
            c.output_item_id,
            c.output,
            now if c.delivered else None,
        ),
    )


def find_tool_calls(connection: Connection, provider_call_id: str) -> list[ToolCall]:
    """Return the tool calls of a provider call."""
    rows = connection.execute(
        "SELECT provider_call_id, provider_tool_call_id, session_id, name, arguments, execution_id,"
        " output_item_id, output, delivered_at FROM tool_calls WHERE provider_call_id = ?"
        " ORDER BY provider_tool_call_id",
        (provider_call_id,),
    ).fetchall()
    return [
        ToolCall(
            provider_call_id=row[0],
            call_id=row[1],
            session_id=row[2],
            name=row[3],
            arguments=row[4],
            execution_id=row[5],
            output_item_id=row[6],
            output=row[7],
            delivered=row[8] is not None,
        )
        for row in rows
    ]


def functions(connection: Connection, targets: Sequence[str]) -> Mapping[str, DeclaredFunction]:
    """Return those of the functions that are declared now, by ``node.function``."""
    found: dict[str, DeclaredFunction] = {}
    for target in targets:
        node_id, _, name = target.partition(".")
        row = connection.execute(
            "SELECT description, input_schema FROM functions WHERE node_id = ? AND name = ?",
            (node_id, name),
        ).fetchone()
        if row:
            found[target] = DeclaredFunction(
                node_id=node_id, name=name, description=row[0], input_schema=row[1]
            )
    return found
