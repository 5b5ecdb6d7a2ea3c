"""What a model knows when it is asked for a response."""

from __future__ import annotations

__all__ = ["thought_of"]

from agentfield.simulator.effects import Json
from agentfield.simulator.items import Items
from agentfield.simulator.senses import Thought, Tool


def thought_of(request: Json, session: Json, items: Items) -> Thought:
    """Return what there is to know of a request, its session and the conversation."""
    choice = request.get("tool_choice") or session["tool_choice"]
    tools = request.get("tools")
    if tools is None:
        tools = session["tools"]
    return Thought(
        instructions=request.get("instructions") or session["instructions"] or "",
        tools=[_tool(each) for each in tools if _is_function(each) and choice != "none"],
        must_call=_must_call(choice),
        items=items.told(),
    )


def _is_function(tool: Json) -> bool:
    return bool(tool.get("type", "function") == "function")


def _tool(tool: Json) -> Tool:
    return Tool(
        name=tool["name"],
        description=tool.get("description") or "",
        parameters=tool.get("parameters") or {},
    )


def _must_call(choice: object) -> str | None:
    if choice == "required":
        return ""
    if isinstance(choice, dict) and choice.get("type") == "function":
        return str(choice.get("name", ""))
    return None
