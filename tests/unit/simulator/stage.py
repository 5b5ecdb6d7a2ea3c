"""A conversation in virtual time, without sockets or audio."""

from __future__ import annotations

import heapq
import itertools
from typing import Any

from agentfield.simulator import Script
from agentfield.simulator.conversation import Conversation
from agentfield.simulator.effects import (
    Effect,
    Emit,
    Expire,
    Forget,
    Hush,
    Later,
    Play,
    Speak,
    Stop,
    Think,
    Timer,
    Transcribe,
)
from agentfield.simulator.outcomes import Outcome
from agentfield.simulator.prompter import Prompter
from agentfield.simulator.script import Heard
from agentfield.simulator.senses import Abilities
from agentfield.simulator.settings import new_session


class Stage:
    """Plays the surroundings of a conversation; time passes only when told to."""

    def __init__(
        self,
        script: Script,
        *,
        plays_audio: bool = True,
        abilities: Abilities | None = None,
        **session: Any,
    ) -> None:
        self.script = script
        self.now = 0
        self.events: list[dict[str, Any]] = []
        self.audible = False
        self.played: list[bytes] = []
        """Packets that were handed on and not dropped before their time."""
        self.errands: list[Transcribe | Think | Speak | Stop | Forget] = []
        """What was asked for that takes its time; the test says with ``comes`` what becomes of it."""
        self.expired = False
        self._numbers = itertools.count(1)
        self._timers: list[tuple[int, int, Timer]] = []
        wanted = {"type": "realtime"} | session
        self.conversation = Conversation(
            session=new_session(wanted, session_id="sess_1", model=None, expires_at=0),
            prompter=Prompter(lambda: self.script),
            new_id=lambda prefix: f"{prefix}_{next(self._numbers)}",
            plays_audio=plays_audio,
            abilities=abilities or Abilities(),
        )
        self._do(self.conversation.begin(self.now))

    def send(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """Send a client's event; return what comes at once."""
        return self._do(self.conversation.receive({"type": kind, **fields}, self.now))

    def speak(self, heard: Heard | None = None, *, lasts_ms: int = 500) -> list[dict[str, Any]]:
        """Have the caller speak, and return what comes at once when he stops."""
        self._do(self.conversation.speech_started(self.now, self.now))
        self.conversation.hears(lasts_ms)
        self.wait(lasts_ms)
        return self._do(self.conversation.speech_stopped(self.now, self.now, heard))

    def interrupt(self) -> list[dict[str, Any]]:
        """Have the caller begin to speak."""
        return self._do(self.conversation.speech_started(self.now, self.now))

    def comes(self, outcome: Outcome) -> list[dict[str, Any]]:
        """Let something be heard, decided or spoken; return what comes at once."""
        return self._do(self.conversation.comes(outcome, self.now))

    def wait(self, ms: int) -> list[dict[str, Any]]:
        """Let time pass; return what comes meanwhile."""
        until, before = self.now + ms, len(self.events)
        while self._timers and self._timers[0][0] <= until:
            self.now, _, timer = heapq.heappop(self._timers)
            self._do(self.conversation.due(timer, self.now))
        self.now = until
        return self.events[before:]

    def _do(self, effects: list[Effect]) -> list[dict[str, Any]]:
        events = []
        for effect in effects:
            match effect:
                case Emit(event=event):
                    events.append(event)
                case Later(after_ms=after_ms, timer=timer):
                    entry = (self.now + after_ms, next(self._numbers), timer)
                    heapq.heappush(self._timers, entry)
                case Play(packets=packets):
                    self.audible = True
                    self.played += packets or []
                case Hush():
                    self.audible = False
                case Transcribe() | Think() | Speak() | Stop() | Forget():
                    self.errands.append(effect)
                case Expire():
                    self.expired = True
        self.events += events
        return events


def kinds(events: list[dict[str, Any]]) -> list[str]:
    """Return the types of events, neighbours of one type once."""
    every = [str(event["type"]) for event in events]
    return [kind for n, kind in enumerate(every) if n == 0 or every[n - 1] != kind]


def one(events: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Return the one event of a type."""
    (event,) = [event for event in events if event["type"] == kind]
    return event


def error_of(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the error object of the only event."""
    (event,) = events
    assert event["type"] == "error"
    return dict(event["error"])
