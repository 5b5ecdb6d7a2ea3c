"""One response of the model, from its creation to its end."""

from __future__ import annotations

__all__ = ["Response", "Surroundings"]

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from agentfield.simulator.effects import Json, Outbox
from agentfield.simulator.items import Items
from agentfield.simulator.playback import Clip, Playback
from agentfield.simulator.script import Call, Reply
from agentfield.simulator.tone import pcm_tone
from agentfield.simulator.usage import usage

_MS_PER_CHARACTER = 60
_WORDS_BEFORE_AUDIO = 3
_ARGUMENTS_PIECE = 8
_TOKENS = {"name": "tokens", "limit": 15_000_000, "remaining": 14_999_000, "reset_seconds": 0.004}
_DETAILS: dict[str, Json] = {
    "failed": {
        "error": {
            "type": "server_error",
            "code": "server_error",
            "message": "The server had an error while processing your request.",
        }
    },
    "incomplete": {"reason": "max_output_tokens"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all responses of one conversation share."""

    outbox: Outbox
    items: Items
    conversation_id: str
    playback: Playback | None
    """Where audio goes; without it audio is sent as events."""


class Response:
    """Generates output piece by piece; can be cancelled between any two."""

    def __init__(
        self, *, reply: Reply, request: Json, session: Json, surroundings: Surroundings
    ) -> None:
        self._reply = reply
        self._request = request
        self._session = session
        self._in = surroundings
        self.id = surroundings.outbox.new_id("resp")
        self.in_conversation = request.get("conversation", "auto") != "none"
        self._modalities = request.get("output_modalities") or session["output_modalities"]
        self.speaks = self._modalities == ["audio"]
        self._facts = self._described()
        self._output: list[Json] = []
        self._open: Json | None = None
        self._said = ""
        self.audio_ms: dict[str, int] = {}
        """How long the audio is that has been generated, for each item."""

    def run(self) -> Iterator[int]:
        """Generate; yields how long the next piece takes."""
        self._emit_response("response.created", status="in_progress", output=[])
        yield self._reply.after_ms
        if self._reply.says:
            yield from self._speak(self._reply.says)
        if self._reply.ends == "completed":
            for call in self._calls():
                yield from self._call(call)
        self.finish(self._reply.ends)

    def finish(self, status: str, reason: str | None = None) -> None:
        """End the response, and the item it was busy with."""
        if self._open is not None:
            self._close(self._open, "completed" if status == "completed" else "incomplete")
        details = {"reason": reason} if reason else _DETAILS.get(status)
        self._emit_response(
            "response.done",
            status=status,
            status_details=details and {"type": status} | details,
            output=[dict(item) for item in self._output],
            usage=usage(self._output, sum(self.audio_ms.values())),
        )
        self._in.outbox.emit("rate_limits.updated", rate_limits=[_TOKENS])
        if self._in.playback:
            self._in.playback.complete(self.id, sum(self.audio_ms.values()))

    def _speak(self, text: str) -> Iterator[int]:
        item = self._open_item({"type": "message", "role": "assistant", "content": []})
        self._emit_part("response.content_part.added", "")
        words = re.findall(r"\s*\S+", text)
        if self._reply.ends != "completed":
            words = words[: (len(words) + 1) // 2]
        lasts_ms = self._reply.speaks_ms
        if lasts_ms is None:
            lasts_ms = len(text) * _MS_PER_CHARACTER
        for number, word in enumerate(words, start=1):
            self._emit_content("delta", delta=word)
            self._said += word
            if self.speaks:
                before = self.audio_ms.get(item["id"], 0)
                self.audio_ms[item["id"]] = lasts_ms * len(self._said) // len(text)
                self._sound(item, before, lasts_ms, first=number == _audible_at(words))
            yield self._reply.word_ms
        while self._reply.ends == "never":
            yield 3_600_000
        if self._reply.ends == "completed":
            self._close(item, "completed")

    def _sound(self, item: Json, before_ms: int, lasts_ms: int, *, first: bool) -> None:
        if self._in.playback is None:
            audio = pcm_tone(self.audio_ms[item["id"]] - before_ms)
            self._in.outbox.emit(
                "response.output_audio.delta",
                **self._place(content=True),
                delta=base64.b64encode(audio).decode(),
            )
        elif first:
            self._in.playback.add(Clip(response_id=self.id, item_id=item["id"], lasts_ms=lasts_ms))

    def _calls(self) -> list[Call]:
        may_call = self._request.get("tool_choice", self._session["tool_choice"]) != "none"
        return list(self._reply.calls) if may_call else []

    def _call(self, call: Call) -> Iterator[int]:
        arguments = call.arguments
        if not isinstance(arguments, str):
            arguments = json.dumps(dict(arguments), ensure_ascii=False)
        call_id = self._in.outbox.new_id("call")
        item = self._open_item(
            {"type": "function_call", "name": call.name, "call_id": call_id, "arguments": ""}
        )
        place = self._place() | {"call_id": call_id}
        for start in range(0, len(arguments), _ARGUMENTS_PIECE):
            piece = arguments[start : start + _ARGUMENTS_PIECE]
            self._in.outbox.emit("response.function_call_arguments.delta", **place, delta=piece)
            item["arguments"] += piece
            yield self._reply.word_ms
        self._close(item, "completed")

    def _open_item(self, fields: Json) -> Json:
        head = {"id": self._in.outbox.new_id("item"), "type": fields["type"]}
        item: Json = head | {"status": "in_progress"} | fields
        self._output.append(item)
        self._open, self._said = item, ""
        self._in.outbox.emit("response.output_item.added", **self._index(), item=dict(item))
        if self.in_conversation:
            before = self._in.items.add(item)
            self._in.outbox.emit(
                "conversation.item.added", previous_item_id=before, item=dict(item)
            )
        return item

    def _close(self, item: Json, status: str) -> None:
        self._open = None
        item["status"] = status
        if item["type"] == "message":
            self._close_message(item)
        else:
            self._in.outbox.emit(
                "response.function_call_arguments.done",
                **self._place(),
                call_id=item["call_id"],
                name=item["name"],
                arguments=item["arguments"],
            )
        if self.in_conversation:
            self._in.outbox.emit("conversation.item.done", previous_item_id=None, item=dict(item))
        self._in.outbox.emit("response.output_item.done", **self._index(), item=dict(item))

    def _close_message(self, item: Json) -> None:
        if self.speaks:
            self._in.outbox.emit("response.output_audio.done", **self._place(content=True))
            self._emit_content("done", transcript=self._said)
            item["content"] = [{"type": "output_audio", "transcript": self._said}]
        else:
            self._emit_content("done", text=self._said)
            item["content"] = [{"type": "output_text", "text": self._said}]
        self._emit_part("response.content_part.done", self._said)

    def _emit_content(self, what: str, **fields: Any) -> None:
        kind = "output_audio_transcript" if self.speaks else "output_text"
        self._in.outbox.emit(f"response.{kind}.{what}", **self._place(content=True), **fields)

    def _emit_part(self, kind: str, words: str) -> None:
        part = {"type": "audio", "transcript": words}
        if not self.speaks:
            part = {"type": "text", "text": words}
        self._in.outbox.emit(kind, **self._place(content=True), part=part)

    def _emit_response(self, kind: str, **facts: Any) -> None:
        self._in.outbox.emit(kind, response=self._facts | facts)

    def _index(self) -> Json:
        return {"response_id": self.id, "output_index": len(self._output) - 1}

    def _place(self, *, content: bool = False) -> Json:
        place = {"response_id": self.id, "item_id": self._output[-1]["id"]}
        place |= {"output_index": len(self._output) - 1}
        return place | {"content_index": 0} if content else place

    def _described(self) -> Json:
        request, session = self._request, self._session
        output = session["audio"]["output"]
        wanted = (request.get("audio") or {}).get("output") or {}
        return {
            "object": "realtime.response",
            "id": self.id,
            "status_details": None,
            "conversation_id": self._in.conversation_id if self.in_conversation else None,
            "output_modalities": self._modalities,
            "max_output_tokens": request.get("max_output_tokens", session["max_output_tokens"]),
            "audio": {
                "output": {"format": output["format"], "voice": output["voice"]} | wanted,
            },
            "usage": None,
            "metadata": request.get("metadata"),
        }


def _audible_at(words: list[str]) -> int:
    return min(_WORDS_BEFORE_AUDIO, len(words))
