"""What came of a session: its tool calls, and the tree of what ran."""

from __future__ import annotations

__all__ = ["Step", "ToolCall", "tool_calls", "tree"]

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from agentfield_sdk import Execution, SessionEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call of a tool, as far as it has come."""

    name: str
    """What the model or the client called it."""
    target: str = ""
    """``node.function``. Empty: it was refused."""
    arguments: Any = None
    """Parsed, or the text itself where it is not JSON."""
    source: str = "model"
    """``model`` or ``client``."""
    status: str = "called"
    """``called``, ``refused``, ``running``, or that of the execution when it ended."""
    output: Any = None
    """What the model gets, parsed. None: nothing, or not yet."""
    duration_ms: int | None = None
    error_reason: str = ""
    call_id: str = ""
    """The provider's. Empty: it was the client's call."""
    execution_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An execution, and those it called."""

    target: str
    status: str
    execution_id: str
    duration_ms: int | None
    children: tuple[Step, ...] = ()
    """In the order they were stored."""

    @property
    def shape(self) -> tuple[Any, ...]:
        """Return its target, then the shapes of its children: ``("a.b", ("c.d",), ("c.d",))``."""
        return (self.target, *(child.shape for child in self.children))


def tool_calls(events: Iterable[SessionEvent]) -> Sequence[ToolCall]:
    """Return the tool calls of a log in their order."""
    calls: dict[str, ToolCall] = {}
    key = ""
    for event in events:
        if not event.type.startswith("tool."):
            continue
        data = event.data
        if event.type in {"tool.called", "tool.refused"}:
            # The calls of a client have no id of a provider's, and start at once or not at all.
            key = data.get("call_id") or f"client {len(calls)}"
        elif data.get("call_id"):
            key = data["call_id"]
        elif event.type == "tool.finished":
            found = (k for k, c in calls.items() if c.execution_id == data["execution_id"])
            key = next(found, key)
        calls[key] = _after(calls.get(key), event.type, data)
    return list(calls.values())


def _after(call: ToolCall | None, type_: str, data: dict[str, Any]) -> ToolCall:
    call = call or ToolCall(
        name=data.get("name", ""),
        source=data.get("source", "model"),
        call_id=data.get("call_id") or "",
    )
    match type_:
        case "tool.called":
            return replace(call, target=data["target"], arguments=_parsed(data["arguments"]))
        case "tool.refused":
            return replace(call, status="refused", error_reason=data["reason"])
        case "tool.started":
            return replace(call, status="running", execution_id=data["execution_id"])
        case "tool.finished":
            return replace(
                call,
                status=data["status"],
                duration_ms=data["duration_ms"],
                error_reason=data["error_reason"] or "",
            )
        case "tool.output":
            return replace(call, output=_parsed(data["output"]))
        case _:
            return call


def tree(executions: Sequence[Execution]) -> Step:
    """Return the tree of a workflow's executions, of which parents come before children."""
    called: dict[str, list[Step]] = {}
    steps: list[Step] = []
    for execution in reversed(executions):
        children = called.get(execution.execution_id, [])
        step = Step(
            target=execution.target,
            status=execution.status,
            execution_id=execution.execution_id,
            duration_ms=execution.duration_ms,
            children=tuple(reversed(children)),
        )
        called.setdefault(execution.parent_execution_id, []).append(step)
        steps.append(step)
    return steps[-1]


def _parsed(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
