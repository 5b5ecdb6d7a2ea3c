"""A conversation of the realtime protocol as chat completions have it, and their answer.

Fields are those of https://platform.openai.com/docs/api-reference/chat/create, which servers of local
models speak, too.
"""

from __future__ import annotations

__all__ = ["Malformed", "messages_of", "reply_of", "request_of"]

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from agentfield.simulator.items import text_of
from agentfield.simulator.script import Call, Reply
from agentfield.simulator.senses import Thought, Tool

Json = dict[str, Any]
Item = Mapping[str, Any]

_NO_RESULT = "There is no result yet."
_BEGIN = "The conversation begins: greet the caller."
_THOUGHTS = re.compile(r"<think>.*?</think>", re.DOTALL)
"""What some models say to themselves before they answer."""


class Malformed(Exception):
    """An answer is not what chat completions are answered with; its text says in what."""


def request_of(thought: Thought, *, model: str) -> Json:
    """Return the body of the request for a response."""
    body: Json = {"model": model, "stream": False, "messages": messages_of(thought)}
    if thought.tools:
        body["tools"] = [_tool(tool) for tool in thought.tools]
        if thought.must_call is not None:
            named = {"type": "function", "function": {"name": thought.must_call}}
            body["tool_choice"] = named if thought.must_call else "required"
    return body


def messages_of(thought: Thought) -> list[Json]:
    """Return the conversation.

    Each call stands with its result behind it, whatever was said between the two: a request in which
    one has none is refused.
    """
    outputs = {
        item["call_id"]: str(item.get("output", ""))
        for item in thought.items
        if item["type"] == "function_call_output"
    }
    messages = [_message("system", thought.instructions)] if thought.instructions else []
    told = [item for item in thought.items if item["type"] != "function_call_output"]
    for kind, items in groupby(told, key=lambda item: item["type"]):
        if kind == "message":
            messages += _said(items)
        elif kind == "function_call":
            _add_calls(messages, list(items), outputs)
    return messages or [_message("system", _BEGIN)]


def reply_of(answer: Any) -> Reply:
    """Return what the answer says and calls. Raises Malformed."""
    match answer:
        case {"choices": [{"message": dict() as found}, *_]}:
            message: Json = found
        case _:
            raise Malformed("it has no message")
    says: object = message.get("content") or message.get("refusal") or ""
    if not isinstance(says, str):
        raise Malformed("its content is not text")
    says = _THOUGHTS.sub("", says).strip()
    called = message.get("tool_calls") or []
    if not isinstance(called, list):
        raise Malformed("it calls something that is no function")
    calls = [_call(each) for each in called]
    if not says and not calls:
        raise Malformed("it neither says nor calls anything")
    return Reply(says=says, calls=calls)


def _call(call: Any) -> Call:
    match call:
        case {"function": {"name": str(name), "arguments": str() | dict() as arguments}}:
            return Call(name=name, arguments=arguments)
    raise Malformed("it calls something that is no function")


def _tool(tool: Tool) -> Json:
    function: Json = {"name": tool.name, "description": tool.description}
    if tool.parameters:
        function["parameters"] = dict(tool.parameters)
    return {"type": "function", "function": function}


def _said(items: Iterator[Item]) -> Iterator[Json]:
    for item in items:
        if text := text_of(item):
            yield _message(item["role"], text)


def _add_calls(messages: list[Json], calls: Sequence[Item], outputs: Mapping[str, str]) -> None:
    before = messages[-1] if messages and messages[-1]["role"] == "assistant" else None
    if before is None:
        before = {"role": "assistant", "content": None}
        messages.append(before)
    before["tool_calls"] = [
        {
            "id": call["call_id"],
            "type": "function",
            "function": {"name": call["name"], "arguments": call["arguments"]},
        }
        for call in calls
    ]
    messages += [
        {
            "role": "tool",
            "tool_call_id": call["call_id"],
            "content": outputs.get(call["call_id"], _NO_RESULT),
        }
        for call in calls
    ]


def _message(role: str, text: str) -> Json:
    return {"role": role, "content": text}
