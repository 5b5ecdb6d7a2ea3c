"""What OpenAI Realtime tells, as events of ours.

The order of frames of one moment is not relied on, and whoever attaches late has missed some: what
the end of a response repeats is told then, if it was not told before. Unknown frames and missing
fields are no errors.
"""

from __future__ import annotations

__all__ = ["Decoder"]

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from agentfield.providers.openai_commands import COMMAND_KEY
from agentfield.sessions.provider import (
    AgentDelta,
    AgentSaid,
    Failed,
    Heard,
    HeardDelta,
    HeardFailed,
    ItemAdded,
    ItemDeleted,
    ItemFound,
    PlaybackCleared,
    PlaybackStarted,
    PlaybackStopped,
    ProviderEvent,
    SpeechBegun,
    SpeechDone,
    SpeechStarted,
    SpeechStopped,
    ToolCalled,
    Truncated,
    TurnCommitted,
)

Json = Mapping[str, Any]

_TYPED = {"input_text", "output_text", "text"}
_SPOKEN = {"output_audio", "audio"}
_BUSY = "conversation_already_has_active_response"
_EXPIRED = "session_expired"
_HARMLESS = {"response_cancel_not_active"}
"""The response ended by itself while its cancellation was under way."""


class Decoder:
    """Reads the frames of one link."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._audible: set[str] = set()
        self._stateful: Mapping[str, Callable[[Json], Iterable[ProviderEvent]]] = {
            "error": self._error,
            "output_audio_buffer.started": self._playback_started,
            "response.output_item.done": self._item_done,
            "response.output_audio_transcript.done": self._said,
            "response.output_text.done": self._said,
            "response.done": self._done,
        }

    def decode(self, frame: Json) -> list[ProviderEvent]:
        """Return what a frame tells; mostly one event or none."""
        kind = _text(frame, "type")
        if kind in self._stateful:
            return list(self._stateful[kind](frame))
        return [_PLAIN[kind](frame)] if kind in _PLAIN else []

    def _error(self, frame: Json) -> Iterable[ProviderEvent]:
        error = _object(frame, "error")
        code = _code(error)
        if code in _HARMLESS:
            return
        yield Failed(
            code=code,
            message=_text(error, "message"),
            command_id=_text(error, "event_id"),
            busy=code == _BUSY,
            fatal=code == _EXPIRED,
            expired=code == _EXPIRED,
        )

    def _playback_started(self, frame: Json) -> Iterable[ProviderEvent]:
        response_id = _text(frame, "response_id")
        self._audible.add(response_id)
        yield PlaybackStarted(response_id=response_id)

    def _said(self, frame: Json) -> Iterable[ProviderEvent]:
        words = _text(frame, "transcript") or _text(frame, "text")
        yield from self._message(_text(frame, "response_id"), _text(frame, "item_id"), words)

    def _item_done(self, frame: Json) -> Iterable[ProviderEvent]:
        # Only here it is sure that arguments are complete: their own end comes also when the
        # response was cut short within them.
        item = _object(frame, "item")
        if _text(item, "type") == "function_call":
            yield from self._call(_text(frame, "response_id"), item)

    def _done(self, frame: Json) -> Iterable[ProviderEvent]:
        response = _object(frame, "response")
        response_id, output = _text(response, "id"), _objects(response, "output")
        messages = [item for item in output if _text(item, "type") == "message"]
        for item in output:
            if _text(item, "type") == "function_call":
                yield from self._call(response_id, item)
        for item in messages:
            yield from self._message(response_id, _text(item, "id"), _words(item))
        details = _object(response, "status_details")
        error = _object(details, "error")
        status = _text(response, "status") or "completed"
        yield SpeechDone(
            response_id=response_id,
            command_id=_command_of(response),
            status=status,
            reason=_text(details, "reason"),
            error_code=_code(error),
            error_message=_text(error, "message"),
            usage=_object(response, "usage") or None,
            has_audio=self._is_heard(response_id, status, messages),
            item_ids=tuple(_text(item, "id") for item in messages),
        )

    def _is_heard(self, response_id: str, status: str, messages: Iterable[Json]) -> bool:
        # Audio of a cancelled response that has not begun to be played never is.
        return response_id in self._audible or (
            status != "cancelled" and any(_is_spoken(item) for item in messages)
        )

    def _call(self, response_id: str, item: Json) -> Iterable[ProviderEvent]:
        complete = _text(item, "status") in {"", "completed"}
        if complete and self._is_news(_text(item, "id") or _text(item, "call_id")):
            yield ToolCalled(
                response_id=response_id,
                item_id=_text(item, "id"),
                call_id=_text(item, "call_id"),
                name=_text(item, "name"),
                arguments=_text(item, "arguments"),
            )

    def _message(self, response_id: str, item_id: str, words: str) -> Iterable[ProviderEvent]:
        if words and self._is_news(item_id):
            yield AgentSaid(response_id=response_id, item_id=item_id, text=words)

    def _is_news(self, item_id: str) -> bool:
        known = item_id in self._told
        self._told.add(item_id)
        return not known


def _item_added(frame: Json) -> ItemAdded:
    item = _object(frame, "item")
    typed = [part for part in _objects(item, "content") if _text(part, "type") in _TYPED]
    return ItemAdded(
        item_id=_text(item, "id"),
        previous_item_id=_text(frame, "previous_item_id") or None,
        type=_text(item, "type"),
        role=_text(item, "role"),
        text="".join(_text(part, "text") for part in typed) if typed else None,
        call_id=_text(item, "call_id"),
        whole=_is_whole(item),
    )


def _is_whole(item: Json) -> bool:
    # What the model makes is added while it is in progress, without any content.
    ended = _text(item, "status") in {"completed", "incomplete"}
    return ended or bool(_objects(item, "content") or _text(item, "arguments"))


def _item_found(frame: Json) -> ItemFound:
    item = _object(frame, "item")
    kinds = {_text(part, "type") for part in _objects(item, "content")}
    return ItemFound(
        item_id=_text(item, "id"),
        type=_text(item, "type"),
        role=_text(item, "role"),
        status=_text(item, "status"),
        spoken=bool(kinds & (_SPOKEN | {"input_audio"})),
        text=_words(item),
        call_id=_text(item, "call_id"),
        name=_text(item, "name"),
        arguments=_text(item, "arguments"),
    )


def _begun(frame: Json) -> SpeechBegun:
    response = _object(frame, "response")
    return SpeechBegun(response_id=_text(response, "id"), command_id=_command_of(response))


def _agent_delta(frame: Json) -> AgentDelta:
    return AgentDelta(
        response_id=_text(frame, "response_id"),
        item_id=_text(frame, "item_id"),
        delta=_text(frame, "delta"),
    )


_HEARD = "conversation.item.input_audio_transcription"
_PLAIN: Mapping[str, Callable[[Json], ProviderEvent]] = {
    "input_audio_buffer.speech_started": lambda frame: SpeechStarted(
        item_id=_text(frame, "item_id"), at_ms=_number(frame, "audio_start_ms")
    ),
    "input_audio_buffer.speech_stopped": lambda frame: SpeechStopped(
        item_id=_text(frame, "item_id"), at_ms=_number(frame, "audio_end_ms")
    ),
    "input_audio_buffer.committed": lambda frame: TurnCommitted(
        item_id=_text(frame, "item_id"),
        previous_item_id=_text(frame, "previous_item_id") or None,
    ),
    f"{_HEARD}.delta": lambda frame: HeardDelta(
        item_id=_text(frame, "item_id"), delta=_text(frame, "delta")
    ),
    f"{_HEARD}.completed": lambda frame: Heard(
        item_id=_text(frame, "item_id"), text=_text(frame, "transcript")
    ),
    f"{_HEARD}.failed": lambda frame: HeardFailed(
        item_id=_text(frame, "item_id"), code=_code(_object(frame, "error"))
    ),
    "conversation.item.added": _item_added,
    "conversation.item.deleted": lambda frame: ItemDeleted(item_id=_text(frame, "item_id")),
    "conversation.item.retrieved": _item_found,
    "conversation.item.truncated": lambda frame: Truncated(
        item_id=_text(frame, "item_id"), audio_ms=_number(frame, "audio_end_ms")
    ),
    "response.created": _begun,
    "response.output_audio_transcript.delta": _agent_delta,
    "response.output_text.delta": _agent_delta,
    "output_audio_buffer.stopped": lambda frame: PlaybackStopped(
        response_id=_text(frame, "response_id")
    ),
    "output_audio_buffer.cleared": lambda frame: PlaybackCleared(
        response_id=_text(frame, "response_id")
    ),
}


def _words(item: Json) -> str:
    parts = _objects(item, "content")
    return "".join(_text(part, "transcript") or _text(part, "text") for part in parts)


def _is_spoken(item: Json) -> bool:
    parts = _objects(item, "content")
    return any(_text(part, "type") in _SPOKEN and _text(part, "transcript") for part in parts)


def _command_of(response: Json) -> str:
    return _text(_object(response, "metadata"), COMMAND_KEY)


def _code(error: Json) -> str:
    return _text(error, "code") or _text(error, "type")


def _text(value: Json, name: str) -> str:
    found = value.get(name)
    return found if isinstance(found, str) else ""


def _number(value: Json, name: str) -> int:
    found = value.get(name)
    return found if isinstance(found, int) else 0


def _object(value: Json, name: str) -> Json:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _objects(value: Json, name: str) -> list[Json]:
    found = value.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
