"""One session in progress: its conversation, its clock and everyone who is connected to it."""

from __future__ import annotations

__all__ = ["Call", "Connection", "Voice"]

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, assert_never

from av import AudioFrame

from agentfield.simulator.conversation import Conversation
from agentfield.simulator.effects import (
    Effect,
    Emit,
    Expire,
    Forget,
    Hear,
    Hush,
    Json,
    Later,
    Play,
    Speak,
    Stop,
    Think,
    Timer,
    Transcribe,
)
from agentfield.simulator.errands import Errands
from agentfield.simulator.hearing import Decision, Hearing
from agentfield.simulator.journal import Journal
from agentfield.simulator.orders import shuffled
from agentfield.simulator.outcomes import Outcome
from agentfield.simulator.refusals import Refused
from agentfield.simulator.script import Heard, Order, Script
from agentfield.simulator.senses import Senses

_NORMAL, _GOING_AWAY = 1000, 1001


class Connection(Protocol):
    """Somebody who gets all events and may send some."""

    @property
    def name(self) -> str:
        """What the journal calls it."""

    def send(self, event: Json) -> None:
        """Send an event, without waiting."""

    def close(self, code: int) -> None:
        """Say goodbye once everything has been sent."""

    def abort(self) -> None:
        """Break off without a word."""


class Voice(Protocol):
    """What the caller hears."""

    def play(self, packets: Sequence[bytes] | None) -> None:
        """Play Opus packets of 20 ms after those still to be played; None: a tone until hushed."""

    def hush(self) -> None:
        """Be silent, and forget what was to be played."""


class Call:
    """Brings what happens to the conversation, and what it asks for to the world."""

    def __init__(
        self,
        *,
        call_id: str,
        conversation: Conversation,
        journal: Journal,
        script: Callable[[], Script],
        senses: Senses,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self.id = call_id
        self.ended = asyncio.Event()
        self.voice: Voice | None = None
        self.connections: list[Connection] = []
        self._hearing = Hearing(senses.ears)
        self._errands = Errands(senses=senses, tasks=tasks, call_id=call_id, bring=self._comes)
        self._conversation = conversation
        self._journal = journal
        self._script = script
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._timers: set[asyncio.TimerHandle] = set()
        self._random = random.Random()  # noqa: S311 - shuffles events
        self._cut = False
        self._do(conversation.begin(self._now()))

    @property
    def age_ms(self) -> int:
        """How long ago the call began."""
        return self._now() - int(self._began * 1000)

    def attach(self, connection: Connection, *, greet: bool) -> None:
        """Let somebody take part from now on; nothing that has happened is repeated."""
        self.connections.append(connection)
        if greet:
            self._send(self._conversation.created(), [connection])

    def detach(self, connection: Connection) -> None:
        """Let somebody go."""
        if connection in self.connections:
            self.connections.remove(connection)

    def receive(self, text: str, connection: Connection) -> None:
        """Take a frame that somebody sent."""
        try:
            event = json.loads(text)
        except ValueError:
            event = None
        body = event if isinstance(event, dict) else {"invalid": text}
        self._journal.add("received", connection.name, body, call_id=self.id)
        if self.ended.is_set():
            return
        if event is None:
            refused = Refused("The event is not valid JSON.", code="invalid_event")
            self._do(self._conversation.refuse(refused, self._now()))
            return
        self._do(self._conversation.receive(event, self._now()))

    def hear(self, frame: AudioFrame) -> None:
        """Take audio of the caller that came over the media track."""
        self._conversation.hears(frame.samples * 1000 // frame.sample_rate)
        decision = self._hearing.frame(frame, self._conversation.detection)
        if decision is not None:
            self._decide(decision)

    def speech(self, heard: Heard | None, ms: int) -> None:
        """Have the caller say something without any audio, for so many milliseconds."""
        at_ms = self._hearing.detector.clock_ms
        self._do(self._conversation.speech_started(self._now(), at_ms))
        self._conversation.hears(ms)
        self._later(ms, partial(self._finish_speech, at_ms + ms, heard))

    def drop_sidebands(self) -> None:
        """Break off all sidebands; the call goes on."""
        for connection in list(self.connections):
            if connection.name.startswith("sideband"):
                self.detach(connection)
                connection.abort()

    def end(self, code: int = _NORMAL) -> None:
        """End the call for everyone; once is enough."""
        self.ended.set()
        for timer in self._timers:
            timer.cancel()
        self._errands.stop_all()
        for connection in self.connections:
            connection.close(code)
        self.connections.clear()

    def _finish_speech(self, at_ms: int, heard: Heard | None) -> None:
        self._do(self._conversation.speech_stopped(self._now(), at_ms, heard))

    def _hear_event(self, samples: bytes) -> None:
        for decision in self._hearing.event(samples, self._conversation.detection):
            self._decide(decision)

    def _decide(self, decision: Decision) -> None:
        match decision:
            case ("started", at_ms):
                self._do(self._conversation.speech_started(self._now(), at_ms))
            case ("stopped", at_ms):
                self._do(self._conversation.speech_stopped(self._now(), at_ms))

    def _comes(self, outcome: Outcome) -> None:
        self._do(self._conversation.comes(outcome, self._now()))

    def _due(self, timer: Timer) -> None:
        self._do(self._conversation.due(timer, self._now()))

    def _do(self, effects: Sequence[Effect]) -> None:
        if self.ended.is_set():
            return
        events = [effect.event for effect in effects if isinstance(effect, Emit)]
        if self._script().order is Order.SHUFFLED:
            events = shuffled(events, self._random)
        for event in events:
            self._send(event, list(self.connections))
        for effect in effects:
            self._act(effect)

    def _act(self, effect: Effect) -> None:
        match effect:
            case Emit():
                pass
            case Later(after_ms=after_ms, timer=timer):
                self._later(after_ms, partial(self._due, timer))
            case Play() | Hush():
                self._sound(effect)
            case Hear(samples=samples):
                self._hear_event(samples)
            case Forget():
                self._hearing.forget()
            case Transcribe() | Think() | Speak() | Stop():
                self._errand(effect)
            case Expire():
                self.end(_GOING_AWAY)
            case _:
                assert_never(effect)

    def _errand(self, effect: Transcribe | Think | Speak | Stop) -> None:
        match effect:
            case Transcribe():
                self._errands.transcribe(effect, self._hearing.take())
            case Think():
                self._errands.think(effect)
            case Speak():
                self._errands.speak(effect)
            case Stop(response_id=response_id):
                self._errands.stop(response_id)

    def _sound(self, effect: Play | Hush) -> None:
        match self.voice, effect:
            case None, _:
                pass
            case voice, Play(packets=packets):
                voice.play(packets)
            case voice, Hush():
                voice.hush()

    def _send(self, event: Json, connections: Sequence[Connection]) -> None:
        for connection in connections:
            self._journal.add("sent", connection.name, event, call_id=self.id)
            connection.send(event)
        if event["type"] == self._script().drops_sideband_after and not self._cut:
            self._cut = True
            self.drop_sidebands()

    def _later(self, after_ms: int, what: Callable[[], None]) -> None:
        def run() -> None:
            self._timers.discard(handle)
            what()

        handle = self._loop.call_later(after_ms / 1000, run)
        self._timers.add(handle)

    def _now(self) -> int:
        return int(self._loop.time() * 1000)
