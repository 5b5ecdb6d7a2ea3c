"""What a response puts out, as its clients see it come into being."""

from __future__ import annotations

__all__ = ["Output"]

from typing import Any

from agentfield.simulator.effects import Json, Outbox
from agentfield.simulator.items import Items


class Output:
    """The items of one response, one after the other."""

    def __init__(
        self, *, response_id: str, outbox: Outbox, items: Items | None, speaks: bool
    ) -> None:
        self.items: list[Json] = []
        self._response_id = response_id
        self._outbox = outbox
        self._conversation = items
        self._speaks = speaks
        self._open: Json | None = None
        self._said = ""

    @property
    def said(self) -> str:
        """What the newest message says so far."""
        return self._said

    def begin_message(self) -> Json:
        """Begin to say something."""
        item = self._begin({"type": "message", "role": "assistant", "content": []})
        self._emit_part("response.content_part.added", "")
        return item

    def say(self, words: str) -> None:
        """Say more."""
        self._emit_content("delta", delta=words)
        self._said += words

    def sound(self, audio: str) -> None:
        """Send audio of what is said, in base64."""
        self._outbox.emit("response.output_audio.delta", **self._place(content=True), delta=audio)

    def begin_call(self, name: str) -> Json:
        """Begin to call a function."""
        call_id = self._outbox.new_id("call")
        return self._begin(
            {"type": "function_call", "name": name, "call_id": call_id, "arguments": ""}
        )

    def argue(self, call: Json, piece: str) -> None:
        """Add to the arguments of a call."""
        place = self._place() | {"call_id": call["call_id"]}
        self._outbox.emit("response.function_call_arguments.delta", **place, delta=piece)
        call["arguments"] += piece

    def end(self, status: str) -> None:
        """End what has been begun, if anything is."""
        if self._open is None:
            return
        item, self._open = self._open, None
        item["status"] = status
        if item["type"] == "message":
            self._end_message(item)
        else:
            self._outbox.emit(
                "response.function_call_arguments.done",
                **self._place(),
                call_id=item["call_id"],
                name=item["name"],
                arguments=item["arguments"],
            )
        if self._conversation is not None:
            self._outbox.emit("conversation.item.done", previous_item_id=None, item=dict(item))
        self._outbox.emit("response.output_item.done", **self._index(), item=dict(item))

    def _begin(self, fields: Json) -> Json:
        head = {"id": self._outbox.new_id("item"), "type": fields["type"]}
        item: Json = head | {"status": "in_progress"} | fields
        self.items.append(item)
        self._open, self._said = item, ""
        self._outbox.emit("response.output_item.added", **self._index(), item=dict(item))
        if self._conversation is not None:
            before = self._conversation.add(item)
            self._outbox.emit("conversation.item.added", previous_item_id=before, item=dict(item))
        return item

    def _end_message(self, item: Json) -> None:
        if self._speaks:
            self._outbox.emit("response.output_audio.done", **self._place(content=True))
            self._emit_content("done", transcript=self._said)
            item["content"] = [{"type": "output_audio", "transcript": self._said}]
        else:
            self._emit_content("done", text=self._said)
            item["content"] = [{"type": "output_text", "text": self._said}]
        self._emit_part("response.content_part.done", self._said)

    def _emit_content(self, what: str, **fields: Any) -> None:
        kind = "output_audio_transcript" if self._speaks else "output_text"
        self._outbox.emit(f"response.{kind}.{what}", **self._place(content=True), **fields)

    def _emit_part(self, kind: str, words: str) -> None:
        part = {"type": "audio", "transcript": words}
        if not self._speaks:
            part = {"type": "text", "text": words}
        self._outbox.emit(kind, **self._place(content=True), part=part)

    def _index(self) -> Json:
        return {"response_id": self._response_id, "output_index": len(self.items) - 1}

    def _place(self, *, content: bool = False) -> Json:
        place = {"response_id": self._response_id, "item_id": self.items[-1]["id"]}
        place |= {"output_index": len(self.items) - 1}
        return place | {"content_index": 0} if content else place
