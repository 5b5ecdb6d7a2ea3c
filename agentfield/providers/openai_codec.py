"""The protocol of OpenAI Realtime seen from a sideband: commands to frames, frames to events.

It has no socket and no clock.
"""

from __future__ import annotations

__all__ = ["Codec"]

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from agentfield.providers.openai_commands import (
    cancel_frames,
    delete_frame,
    look_frame,
    output_frame,
    speech_frame,
)
from agentfield.providers.openai_events import Decoder
from agentfield.providers.openai_session import (
    Frame,
    differences,
    updated_session,
    voice_of,
    voice_update,
)
from agentfield.sessions.configuring import GUARDED
from agentfield.sessions.provider import (
    CancelSpeech,
    Command,
    Configuration,
    Configure,
    Configured,
    CreateSpeech,
    DeleteItem,
    ItemMissing,
    Probe,
    ProviderEvent,
    RetrieveItem,
    SendToolOutput,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Update:
    """An update of ours that is not answered yet."""

    event_id: str
    configuration: Configuration
    voice_alone: bool

    def brought(self, session: Mapping[str, Any]) -> bool:
        """Return whether a session is as it is after this update; others may change it as well."""
        if self.voice_alone:
            return voice_of(session) == self.configuration.voice
        return not GUARDED & set(differences(self.configuration, session))


class Codec:
    """One link's view of a call."""

    def __init__(self, configuration: Configuration) -> None:
        """Begin with the configuration that the call was opened with."""
        self._expected = configuration
        self._voice = configuration.voice
        self._updates = itertools.count(1)
        self._unanswered: list[_Update] = []
        self._looked_for: set[str] = set()
        self._decoder = Decoder()

    def encode(self, command: Command) -> list[Frame]:
        """Return the frames of a command, which belong together."""
        match command:
            case Configure(configuration=configuration):
                return self._configure(configuration)
            case CreateSpeech():
                return [speech_frame(command)]
            case CancelSpeech():
                return cancel_frames(command)
            case SendToolOutput():
                return [output_frame(command)]
            case DeleteItem():
                return [delete_frame(command)]
            case Probe() | RetrieveItem():
                self._looked_for.add(command.item_id)
                return [look_frame(command)]
            case _:
                assert_never(command)

    def decode(self, frame: Mapping[str, Any]) -> list[ProviderEvent]:
        """Return what a frame of the provider tells; nothing if it is not for us."""
        match frame:
            case {"type": "session.updated", "session": dict() as session}:
                return self._updated(session)
            case {"type": "conversation.item.retrieved", "item": {"id": str() as found}}:
                self._looked_for.discard(found)
            case {"type": "error", "error": {"event_id": str() as refused}}:
                if refused in self._looked_for:
                    self._looked_for.discard(refused)
                    return [ItemMissing(item_id=refused)]
                self._unanswered = [u for u in self._unanswered if u.event_id != refused]
        return self._decoder.decode(frame)

    def _configure(self, configuration: Configuration) -> list[Frame]:
        self._expected = configuration
        frames: list[Frame] = []
        if configuration.voice not in {"", self._voice}:
            # On its own and first: once a voice was heard this is refused, the rest is not.
            frames.append(self._update(voice_update(configuration.voice), voice_alone=True))
        return [*frames, self._update(updated_session(configuration), voice_alone=False)]

    def _update(self, session: Frame, *, voice_alone: bool) -> Frame:
        event_id = f"configure_{next(self._updates)}"
        self._unanswered.append(
            _Update(event_id=event_id, configuration=self._expected, voice_alone=voice_alone)
        )
        return {"type": "session.update", "event_id": event_id, "session": session}

    def _updated(self, session: Frame) -> list[ProviderEvent]:
        """Compare what is in force, unless it is by an update of ours that a later one follows.

        Updates are answered in their order, and nothing tells whose an answer is but what is in it.
        """
        self._voice = voice_of(session) or self._voice
        if self._unanswered and self._unanswered[0].brought(session):
            del self._unanswered[0]
            if self._unanswered:
                return []
        differs = differences(self._expected, session)
        pending = bool(self._unanswered)
        return [Configured(matches=not differs, differs=differs, pending=pending)]
