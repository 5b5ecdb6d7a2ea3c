"""The items of a conversation, in their order."""

from __future__ import annotations

__all__ = ["Items", "checked_item", "text_of"]

import copy
from collections.abc import Mapping
from typing import Any

from agentfield.simulator.effects import Json
from agentfield.simulator.refusals import Refused, missing, unsupported

_CONTENT = {
    "user": ("input_text", "input_audio", "input_image"),
    "assistant": ("output_text", "output_audio"),
    "system": ("input_text",),
}
_TYPES = ("message", "function_call", "function_call_output")


class Items:
    """Keeps items and knows which stands before which."""

    def __init__(self) -> None:
        self._items: dict[str, Json] = {}
        self._order: list[str] = []
        self._understood: dict[str, str] = {}
        self._unheard: set[str] = set()
        self._lasting: dict[str, int] = {}

    @property
    def await_words(self) -> bool:
        """Whether it is still to be found out what is said in an utterance."""
        return bool(self._unheard)

    def add(self, item: Json, *, after: str | None = None) -> str | None:
        """Put an item at the end, or after another (``root`` is the beginning).

        Returns the id of the item that now stands before it.
        """
        if item["id"] in self._items:
            raise Refused(
                f"Error adding item: an item with id '{item['id']}' already exists.",
                code="item_create_duplicate_item_id",
                param="item.id",
            )
        if after is None:
            place = len(self._order)
        elif after == "root":
            place = 0
        else:
            self.get(after, verb="insert")
            place = self._order.index(after) + 1
        self._items[item["id"]] = item
        self._order.insert(place, item["id"])
        return self._order[place - 1] if place else None

    def get(self, item_id: str, *, verb: str) -> Json:
        """Return an item or refuse what somebody wanted to do with it."""
        if item_id not in self._items:
            doing = {"insert": "inserting", "truncate": "truncating", "delete": "deleting"}
            raise Refused(
                f"Error {doing.get(verb, 'retrieving')} item: "
                f"the item with id '{item_id}' does not exist.",
                code=f"item_{verb}_invalid_item_id",
                param="item_id",
            )
        return self._items[item_id]

    def has(self, item_id: str) -> bool:
        """Return whether an item is there; a client may have deleted it."""
        return item_id in self._items

    def delete(self, item_id: str) -> None:
        """Forget an item."""
        self.get(item_id, verb="delete")
        del self._items[item_id]
        self._order.remove(item_id)
        self._unheard.discard(item_id)

    def told(self) -> list[Json]:
        """Return copies of all items, with what the model hears in utterances."""
        told = [copy.deepcopy(self._items[item_id]) for item_id in self._order]
        for item in told:
            if item["id"] in self._understood:
                words = self._understood[item["id"]]
                item["content"] = [{"type": "input_audio", "transcript": words}]
        return told

    def last_words(self) -> str:
        """Return what the model would answer: all that has come since its own last output."""
        words: list[str] = []
        for item_id in reversed(self._order):
            item = self._items[item_id]
            if item["type"] == "function_call" or item.get("role") == "assistant":
                break
            words.append(
                self._understood.get(item_id) or str(item.get("output", "")) or text_of(item)
            )
        return "\n".join(reversed(words))

    @property
    def heard_ms(self) -> int:
        """How long all utterances are together."""
        return sum(ms for item_id, ms in self._lasting.items() if item_id in self._items)

    def written(self) -> str:
        """Return all words that are not heard: texts, transcripts of the model, functions."""
        return "\n".join(
            text_of(item) or f"{item.get('arguments', '')} {item.get('output', '')}"
            for item_id, item in self._items.items()
            if item_id not in self._lasting
        )

    def hear(self, item_id: str, ms: int) -> None:
        """Wait for what the model hears in an utterance of this length."""
        self._unheard.add(item_id)
        self._lasting[item_id] = ms

    def understand(self, item_id: str, words: str) -> None:
        """Keep what the model hears in an utterance, whether it is transcribed or not."""
        self._understood[item_id] = words
        self._unheard.discard(item_id)

    def transcribe(self, item_id: str, words: str) -> None:
        """Put the transcript into an utterance, unless it has been deleted."""
        if item_id in self._items:
            self._items[item_id]["content"] = [{"type": "input_audio", "transcript": words}]

    def has_call(self, call_id: str) -> bool:
        """Return whether the model has made this function call."""
        return any(
            item["type"] == "function_call" and item["call_id"] == call_id
            for item in self._items.values()
        )


def text_of(item: Mapping[str, Any]) -> str:
    """Return the words of a message."""
    parts = item.get("content") or []
    return " ".join(str(part.get("text") or part.get("transcript") or "") for part in parts).strip()


def checked_item(event: Json, items: Items, new_id: str) -> Json:
    """Return the item of a ``conversation.item.create`` as it is kept, or refuse it."""
    given = event.get("item")
    if not isinstance(given, dict):
        raise missing("item")
    kind = given.get("type")
    if kind not in _TYPES:
        raise unsupported("item.type", kind, _TYPES)
    item: Json = {"id": given.get("id") or new_id, "type": kind}
    if kind == "message":
        return item | {"status": "completed"} | _message(given)
    for key in ("call_id", "output") if kind == "function_call_output" else ("name", "arguments"):
        if not isinstance(given.get(key), str):
            raise missing(f"item.{key}")
    if kind == "function_call_output":
        if not items.has_call(given["call_id"]):
            raise Refused(
                f"Tool call ID '{given['call_id']}' not found in conversation.",
                code="invalid_tool_call_id",
                param="item.call_id",
            )
        return item | {"call_id": given["call_id"], "output": given["output"]}
    call = {"name": given["name"], "call_id": given.get("call_id") or f"call_{new_id[5:21]}"}
    return item | {"status": "completed"} | call | {"arguments": given["arguments"]}


def _message(given: Json) -> Json:
    role = given.get("role")
    if role not in _CONTENT:
        raise unsupported("item.role", role, _CONTENT)
    content: Any = given.get("content")
    if not isinstance(content, list):
        raise missing("item.content")
    for number, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else part
        if kind not in _CONTENT[role]:
            raise unsupported(f"item.content[{number}].type", kind, _CONTENT[role])
    return {"role": role, "content": content}
