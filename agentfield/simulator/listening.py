"""The caller's side of a conversation: speech, the input buffer, commits, transcripts."""

from __future__ import annotations

__all__ = ["Listener"]

import re
from collections.abc import Callable

from agentfield.simulator.effects import (
    Forget,
    Json,
    Later,
    Outbox,
    Transcribe,
    TranscriptComes,
)
from agentfield.simulator.items import Items
from agentfield.simulator.prompter import Prompter
from agentfield.simulator.refusals import Refused
from agentfield.simulator.script import Heard
from agentfield.simulator.usage import transcription_usage

_LEAST_COMMIT_MS = 100


class Listener:
    """Turns speech into user items and transcripts."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        items: Items,
        prompter: Prompter,
        hears: bool,
        session: Callable[[], Json],
    ) -> None:
        self._outbox = outbox
        self._items = items
        self._prompter = prompter
        self._hears = hears
        self._session = session
        self._buffered_ms = 0
        self._speaking: str | None = None
        self._began_ms = 0
        self._coming: dict[str, tuple[Heard, int]] = {}
        self._unknown: dict[str, int] = {}

    def hears(self, ms: int) -> None:
        """Take note of audio that has arrived."""
        self._buffered_ms += ms

    def forget(self) -> None:
        """Forget the audio that has not been committed."""
        self._buffered_ms = 0
        self._outbox.do(Forget())
        self._outbox.emit("input_audio_buffer.cleared")

    def speech_started(self, at_ms: int) -> None:
        """Take note that the caller has begun to speak."""
        self._speaking, self._began_ms = self._outbox.new_id("item"), at_ms
        self._outbox.emit(
            "input_audio_buffer.speech_started", audio_start_ms=at_ms, item_id=self._speaking
        )

    def speech_stopped(self, at_ms: int, heard: Heard | None) -> None:
        """Take note that the caller has finished, which commits what was said."""
        item_id = self._speaking or self._outbox.new_id("item")
        self._outbox.emit("input_audio_buffer.speech_stopped", audio_end_ms=at_ms, item_id=item_id)
        self._commit(item_id, heard, at_ms - self._began_ms)

    def commit(self) -> None:
        """Commit what has been buffered, because the client says so."""
        if self._buffered_ms < _LEAST_COMMIT_MS:
            raise Refused(
                "Error committing input audio buffer: buffer too small. Expected at least "
                f"{_LEAST_COMMIT_MS}ms of audio, but buffer only has {self._buffered_ms:.2f}ms "
                "of audio.",
                code="input_audio_buffer_commit_empty",
            )
        self._commit(self._speaking or self._outbox.new_id("item"), None, self._buffered_ms)

    def transcribed(self, item_id: str, text: str | None) -> None:
        """Take what is said in an utterance; None if it could not be found out."""
        audio_ms = self._unknown.pop(item_id, None)
        heard = Heard(text=text or "", transcript="failed" if text is None else "completed")
        self._items.understand(item_id, heard.text)
        if audio_ms is not None:
            self._transcribe(item_id, heard, audio_ms)

    def transcript_comes(self, item_id: str) -> None:
        """Send the transcript of an utterance, whose time has come."""
        self._transcribe(item_id, *self._coming.pop(item_id))

    def _transcribe(self, item_id: str, heard: Heard, audio_ms: int) -> None:
        place = {"item_id": item_id, "content_index": 0}
        event = "conversation.item.input_audio_transcription"
        if heard.transcript == "failed":
            error = {
                "type": "transcription_error",
                "code": "audio_unintelligible",
                "message": "The audio could not be transcribed.",
                "param": None,
            }
            self._outbox.emit(f"{event}.failed", **place, error=error)
            return
        self._items.transcribe(item_id, heard.text)
        for word in re.findall(r"\s*\S+", heard.text):
            self._outbox.emit(f"{event}.delta", **place, delta=word)
        wanted = self._session()["audio"]["input"]["transcription"] or {}
        usage = transcription_usage(str(wanted.get("model")), heard.text, audio_ms)
        self._outbox.emit(f"{event}.completed", **place, transcript=heard.text, usage=usage)

    def _commit(self, item_id: str, heard: Heard | None, audio_ms: int) -> None:
        if heard is None and not self._hears:
            heard = self._prompter.heard()
        self._buffered_ms, self._speaking = 0, None
        item: Json = {"id": item_id, "type": "message", "status": "completed", "role": "user"}
        item["content"] = [{"type": "input_audio", "transcript": None}]
        before = self._items.add(item)
        self._items.hear(item_id, audio_ms)
        self._outbox.emit("input_audio_buffer.committed", previous_item_id=before, item_id=item_id)
        self._outbox.emit("conversation.item.added", previous_item_id=before, item=dict(item))
        self._outbox.emit("conversation.item.done", previous_item_id=before, item=dict(item))
        wanted = self._session()["audio"]["input"]["transcription"]
        if heard is None:
            if wanted is not None:
                self._unknown[item_id] = audio_ms
            language = (wanted or {}).get("language")
            self._outbox.do(Transcribe(item_id=item_id, language=language))
            return
        self._items.understand(item_id, heard.text)
        if wanted is not None and heard.transcript != "never":
            self._coming[item_id] = (heard, audio_ms)
            timer = TranscriptComes(item_id=item_id)
            self._outbox.do(Later(after_ms=heard.after_ms, timer=timer))
