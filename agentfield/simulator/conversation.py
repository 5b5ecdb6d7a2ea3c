"""The conversation: what clients send and what happens in, what is sent and to be done out.

It has no clock, no socket and no audio. Every step is told the time and returns effects.
"""

from __future__ import annotations

__all__ = ["Conversation"]

import base64
import binascii
from collections.abc import Callable
from typing import assert_never

from agentfield.simulator.effects import (
    Effect,
    Expire,
    Expires,
    Generates,
    Hear,
    Json,
    Later,
    NewId,
    Outbox,
    PlaybackEnds,
    Timer,
    TranscriptComes,
)
from agentfield.simulator.items import Items, checked_item
from agentfield.simulator.listening import Listener
from agentfield.simulator.outcomes import Decided, Failed, Outcome, Spoken, Transcribed
from agentfield.simulator.playback import Playback
from agentfield.simulator.prompter import Prompter
from agentfield.simulator.refusals import Refused, checked_object, missing, unsupported
from agentfield.simulator.response import Surroundings
from agentfield.simulator.script import Heard
from agentfield.simulator.senses import Abilities
from agentfield.simulator.settings import updated_session
from agentfield.simulator.speaking import Speaker

_PCM_BYTES_PER_MS = 48
_NONE = Abilities()


class Conversation:
    """One session with the model."""

    def __init__(
        self,
        *,
        session: Json,
        prompter: Prompter,
        new_id: NewId,
        plays_audio: bool,
        abilities: Abilities = _NONE,
    ) -> None:
        self.session = session
        self._prompter = prompter
        self._hears = abilities.hears
        self._outbox = Outbox(new_id)
        self._items = Items()
        surroundings = Surroundings(
            outbox=self._outbox,
            items=self._items,
            prompter=prompter,
            abilities=abilities,
            conversation_id=new_id("conv"),
            playback=Playback(self._outbox) if plays_audio else None,
        )
        self._speaker = Speaker(surroundings=surroundings)
        self._listener = Listener(
            outbox=self._outbox,
            items=self._items,
            prompter=prompter,
            hears=abilities.hears,
            session=lambda: self.session,
        )
        self._handlers: dict[str, Callable[[Json], None]] = {
            "session.update": self._update,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": lambda _: self._listener.commit(),
            "input_audio_buffer.clear": lambda _: self._listener.forget(),
            "output_audio_buffer.clear": lambda _: self._speaker.clear(),
            "conversation.item.create": self._create_item,
            "conversation.item.retrieve": self._retrieve_item,
            "conversation.item.truncate": self._truncate_item,
            "conversation.item.delete": self._delete_item,
            "response.create": self._create_response,
            "response.cancel": lambda event: self._speaker.cancel(event.get("response_id")),
        }

    @property
    def detection(self) -> Json | None:
        """How the end of the caller's speech is found; None leaves it to the client."""
        detection: Json | None = self.session["audio"]["input"]["turn_detection"]
        return detection

    def begin(self, now: int) -> list[Effect]:
        """Begin to count the time the session may last."""
        self._outbox.now = now
        self._outbox.do(Later(after_ms=self._prompter.script().lasts_ms, timer=Expires()))
        return self._outbox.take()

    def created(self) -> Json:
        """Return the greeting of a client that has opened the session."""
        event_id = self._outbox.new_id("event")
        return {"type": "session.created", "event_id": event_id, "session": self.session}

    def receive(self, event: object, now: int) -> list[Effect]:
        """Do what a client asks for, or answer with an error; the session goes on."""
        self._outbox.now = now
        event_id = event.get("event_id") if isinstance(event, dict) else None
        try:
            self._handle(event)
        except Refused as refused:
            self._refuse(refused, event_id)
        return self._outbox.take()

    def hears(self, ms: int) -> None:
        """Take note of audio that has arrived from the caller."""
        self._listener.hears(ms)

    def speech_started(self, now: int, at_ms: int) -> list[Effect]:
        """Let the caller begin, which interrupts the model if the session says so."""
        self._outbox.now = now
        self._listener.speech_started(at_ms)
        if self.detection is None or self.detection["interrupt_response"]:
            self._speaker.interrupt()
        return self._outbox.take()

    def speech_stopped(self, now: int, at_ms: int, heard: Heard | None = None) -> list[Effect]:
        """Let the caller finish; the model answers if the session says so."""
        self._outbox.now = now
        self._listener.speech_stopped(at_ms, heard)
        if self.detection is not None and self.detection["create_response"]:
            try:
                self._speaker.create({}, self.session, may_be_silent=self._hears)
            except Refused as refused:
                self._refuse(refused, None)
        return self._outbox.take()

    def due(self, timer: Timer, now: int) -> list[Effect]:
        """Go on after the while that an effect asked to wait."""
        self._outbox.now = now
        match timer:
            case Generates(response_id=response_id):
                self._speaker.advance(response_id)
            case PlaybackEnds(item_id=item_id):
                self._speaker.playback_may_be_over(item_id)
            case TranscriptComes(item_id=item_id):
                self._listener.transcript_comes(item_id)
            case Expires():
                self._expire()
            case _:
                assert_never(timer)
        return self._outbox.take()

    def comes(self, outcome: Outcome, now: int) -> list[Effect]:
        """Go on with what has become of an effect; what nobody waits for any more is dropped."""
        self._outbox.now = now
        match outcome:
            case Transcribed(item_id=item_id, text=text):
                self._listener.transcribed(item_id, text)
                if text is None:
                    self._speaker.fail_listeners()
                self._speaker.go_on()
            case Decided(response_id=response_id, reply=reply):
                self._speaker.decided(response_id, reply)
            case Spoken(response_id=response_id, sound=sound):
                self._speaker.spoken(response_id, sound)
            case Failed(response_id=response_id):
                self._speaker.fail(response_id)
            case _:
                assert_never(outcome)
        return self._outbox.take()

    def refuse(self, refused: Refused, now: int) -> list[Effect]:
        """Answer something that is no event at all."""
        self._outbox.now = now
        self._refuse(refused, None)
        return self._outbox.take()

    def _handle(self, event: object) -> None:
        if not isinstance(event, dict) or "type" not in event:
            raise Refused("The 'type' field is missing.", code="invalid_event")
        handler = self._handlers.get(str(event["type"]))
        if handler is None:
            raise unsupported("type", event["type"], self._handlers)
        handler(event)

    def _refuse(self, refused: Refused, event_id: object) -> None:
        self._outbox.emit("error", error=refused.body() | {"event_id": event_id})

    def _expire(self) -> None:
        self._refuse(
            Refused("Your session hit the maximum duration of 60 minutes.", code="session_expired"),
            None,
        )
        self._outbox.do(Expire())

    def _update(self, event: Json) -> None:
        request = event.get("session")
        if not isinstance(request, dict):
            raise missing("session")
        self.session = updated_session(self.session, request, has_spoken=self._speaker.has_spoken)
        self._outbox.emit("session.updated", session=self.session)

    def _append(self, event: Json) -> None:
        try:
            audio = base64.b64decode(event.get("audio", ""), validate=True)
        except (binascii.Error, TypeError) as error:
            raise Refused(
                "Invalid 'audio'. Expected base64-encoded audio bytes.",
                code="invalid_value",
                param="audio",
            ) from error
        self._listener.hears(len(audio) // _PCM_BYTES_PER_MS)
        self._outbox.do(Hear(samples=audio))

    def _create_item(self, event: Json) -> None:
        item = checked_item(event, self._items, self._outbox.new_id("item"))
        before = self._items.add(item, after=event.get("previous_item_id"))
        for what in ("added", "done"):
            self._outbox.emit(f"conversation.item.{what}", previous_item_id=before, item=dict(item))

    def _retrieve_item(self, event: Json) -> None:
        item = self._items.get(str(event.get("item_id")), verb="retrieve")
        self._outbox.emit("conversation.item.retrieved", item=dict(item))

    def _truncate_item(self, event: Json) -> None:
        item = self._items.get(str(event.get("item_id")), verb="truncate")
        audio_ms, end_ms = self._speaker.audio_ms(item["id"]), event.get("audio_end_ms")
        if not audio_ms:
            raise Refused(
                "Only model output audio messages can be truncated",
                code="invalid_value",
                param="item_id",
            )
        if not isinstance(end_ms, int):
            raise missing("audio_end_ms")
        if end_ms > audio_ms:
            raise Refused(
                f"Audio content of {audio_ms}ms is already shorter than {end_ms}ms",
                code="invalid_value",
                param="audio_end_ms",
            )
        self._speaker.shorten(item, end_ms)
        self._outbox.emit(
            "conversation.item.truncated",
            item_id=item["id"],
            content_index=event.get("content_index", 0),
            audio_end_ms=end_ms,
        )

    def _delete_item(self, event: Json) -> None:
        self._items.delete(str(event.get("item_id")))
        self._outbox.emit("conversation.item.deleted", item_id=event["item_id"])
        self._speaker.go_on()

    def _create_response(self, event: Json) -> None:
        request = checked_object(event.get("response"), "response")
        self._speaker.create(dict(request), self.session)
