"""The conversation of one session: what the provider tells and the handler wants in, effects out.

It has no clock, no socket and no store. Every step is told the time, in seconds of any steady
clock, and what it decides is taken from it as effects.
"""

from __future__ import annotations

__all__ = ["Conversation"]

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agentfield.contract.turns import Turns
from agentfield.sessions import provider as p
from agentfield.sessions.configuring import Configuring
from agentfield.sessions.effects import Effect, End, Outbox, Resolve, Send
from agentfield.sessions.leading import Leader
from agentfield.sessions.listening import Listening
from agentfield.sessions.model import EndReason, Session, Tool
from agentfield.sessions.speaking import Speaking
from agentfield.sessions.speech import Piece
from agentfield.sessions.toolbook import ToolBook, ToolOutcome
from agentfield.sessions.usage import added_up
from agentfield.v1 import errors

MAX_TAMPERING = 3


class Conversation:
    """Turns, speech and tools of one session."""

    def __init__(
        self,
        session: Session,
        *,
        leader: Leader,
        capabilities: p.Capabilities,
        new_id: Callable[[str], str],
    ) -> None:
        self._session_id = session.session_id
        self._interruptible = session.declaration.interruptible
        self.usage: dict[str, Any] = dict(session.usage)
        self._new_id = new_id
        self._leader = leader
        self._tampering = 0
        self._outbox = Outbox()
        self._turns = Turns()
        self._configuring = Configuring(self._outbox, session=session, capabilities=capabilities)
        self._book = ToolBook(
            self._outbox,
            session_id=session.session_id,
            declaration=session.declaration,
            tools=lambda: self.tools,
            new_id=new_id,
        )
        self._speaking = Speaking(self._outbox, turns=self._turns, book=self._book, new_id=new_id)
        self._listening = Listening(
            self._outbox,
            turns=self._turns,
            transcribed=session.declaration.transcription is not None,
            transcript_timeout=session.declaration.limits.transcript_timeout,
        )
        self._takes = self._table()

    def _table(self) -> Mapping[type, Callable[[Any, float], object]]:
        """Return what takes each event of the provider in."""
        responses, listening = self._speaking.responses, self._listening
        return {
            p.Configured: lambda event, _: self._configured(event),
            p.SpeechStarted: lambda event, _: self._speech_started(event),
            p.SpeechStopped: lambda event, _: listening.stopped(event),
            p.TurnCommitted: self._turn_committed,
            p.HeardDelta: lambda event, _: listening.delta(event),
            p.Heard: lambda event, _: listening.heard(event),
            p.HeardFailed: lambda event, _: listening.failed(event),
            p.ItemAdded: lambda event, _: self._item_added(event),
            p.SpeechBegun: self._speech_begun,
            p.AgentDelta: responses.delta,
            p.AgentSaid: responses.said,
            p.ToolCalled: responses.called,
            p.PlaybackStarted: responses.playback,
            p.PlaybackStopped: responses.playback,
            p.PlaybackCleared: responses.playback,
            p.Truncated: lambda event, _: responses.truncated(event),
            p.SpeechDone: self._speech_done,
            p.Failed: self._failed,
            p.LinkClosed: lambda event, _: self._link_closed(event),
        }

    # --- what is in force ---

    @property
    def configuration(self) -> p.Configuration:
        """Return what is to be in force at the provider."""
        return self._configuring.wanted

    @property
    def tools(self) -> tuple[Tool, ...]:
        """What the model may call."""
        return self._configuring.tools

    @property
    def book(self) -> ToolBook:
        """The model's tool calls."""
        return self._book

    @property
    def deadline(self) -> float:
        """When ``tick`` is to be called if nothing happens."""
        return min(each.deadline for each in (self._speaking, self._listening, self._configuring))

    def replay(self, type_: str, data: Mapping[str, Any], at: int) -> None:
        """Take in an event of the log, as history."""
        self._turns.add(type_, data, at)

    # --- steps ---

    def linked(self, provider_call_id: str) -> list[Effect]:
        """Begin with a link to a provider call; its adapter has sent the configuration."""
        self._book.begin(provider_call_id)
        self._speaking.begin()
        self._configuring.begin()
        return self._outbox.take()

    def unlinked(self) -> list[Effect]:
        """Note that the link is gone and another may come."""
        self._configuring.end()
        return self._outbox.take()

    def tick(self, now: float) -> list[Effect]:
        """Do what is due."""
        for each in (self._listening, self._speaking, self._configuring):
            each.tick(now)
        return self._settled(now)

    def lead(self, leader: Leader, now: float) -> list[Effect]:
        """Let somebody else lead; the model then answers the latest turn nobody has answered."""
        self._leader = leader
        if leader is Leader.MODEL and self._turns.unanswered() and not self._speaking.answering:
            self._speaking.ask(self._piece("answer"))
        return self._settled(now)

    def supersede(self, attempt: int, now: float) -> list[Effect]:
        """Fail what handlers before this attempt wait for; what is being said goes on."""
        error = errors.HandlerSuperseded(
            f"Attempt {attempt} of the handler has taken over session '{self._session_id}'.",
            metadata={"session_id": self._session_id, "attempt": str(attempt)},
        )
        self._speaking.fail_waiting(lambda piece: 0 < piece.attempt < attempt, error)
        return self._settled(now)

    def say(
        self,
        command_id: str,
        text: str,
        now: float,
        *,
        attempt: int,
        metadata: Mapping[str, Any],
    ) -> list[Effect]:
        """Have a text spoken; ``Resolve`` tells how it went."""
        piece = Piece(
            command_id=self._new_id("cmd"),
            kind="say",
            text=text,
            metadata=metadata,
            attempt=attempt,
            waits=command_id,
        )
        self._speaking.ask(piece)
        return self._settled(now)

    def respond(
        self, command_id: str, instructions: str | None, now: float, *, attempt: int
    ) -> list[Effect]:
        """Let the model answer; ``Resolve`` tells how it went, after its tools."""
        piece = self._piece("respond")
        piece.instructions, piece.attempt, piece.waits = instructions, attempt, command_id
        self._speaking.ask(piece)
        return self._settled(now)

    def interrupt(self, command_id: str, now: float) -> list[Effect]:
        """Stop what is being said now; ``Resolve`` tells whether there was anything."""
        self._outbox.put(Resolve(command_id=command_id, result=self._speaking.stop()))
        return self._settled(now)

    def update(
        self, command_id: str, instructions: str | None, tools: Sequence[Tool] | None, now: float
    ) -> list[Effect]:
        """Change what is in force; ``Resolve`` comes when the provider has confirmed it."""
        self._configuring.update(command_id, instructions, tools, now)
        return self._settled(now)

    def tool_started(self, call_id: str, execution_id: str, now: float) -> list[Effect]:
        """Note that a tool call has become an execution."""
        self._book.started(call_id, execution_id)
        return self._settled(now)

    def tool_finished(self, call_id: str, outcome: ToolOutcome, now: float) -> list[Effect]:
        """Note how a tool call went."""
        self._book.finished(call_id, outcome)
        return self._settled(now)

    def close(self, error: errors.AgentFieldError, now: float) -> list[Effect]:
        """Note that the session has ended: nobody waits any more, and what was heard is told."""
        self._speaking.fail_waiting(lambda _: True, error)
        self._configuring.fail_waiting(error)
        self._configuring.end()
        self._speaking.close(now)
        return self._outbox.take()

    def heard_from(self, event: p.ProviderEvent, now: float) -> list[Effect]:
        """Take in what the provider tells."""
        self._takes[type(event)](event, now)
        return self._settled(now)

    # --- inside ---

    def _settled(self, now: float) -> list[Effect]:
        self._speaking.settle(now)
        if self._configuring.live:
            self._speaking.pump(now)
        return self._outbox.take()

    def _piece(self, kind: str) -> Piece:
        return Piece(command_id=self._new_id("cmd"), kind=kind)

    def _speech_started(self, event: p.SpeechStarted) -> None:
        self._listening.started(event)
        if self._speaking.audible and self._interruptible:
            self._book.interrupted()

    def _turn_committed(self, event: p.TurnCommitted, now: float) -> None:
        """Decide who answers a turn that was committed this moment."""
        if not self._listening.committed(event, now):
            return
        self._speaking.turn_committed()
        if self._leader is Leader.MODEL:
            self._speaking.answer_latest(self._piece("answer"))

    def _speech_begun(self, event: p.SpeechBegun, now: float) -> None:
        only_ours = self._leader is Leader.HANDLER
        self._speaking.responses.begun(event, now, only_ours=only_ours)

    def _speech_done(self, event: p.SpeechDone, now: float) -> None:
        self._speaking.responses.done(event, now)
        if event.usage:
            self._outbox.log("usage", response_id=event.response_id, usage=dict(event.usage))
            self.usage = added_up(self.usage, event.usage)

    def _link_closed(self, event: p.LinkClosed) -> None:
        self._configuring.end()
        reason = EndReason.PROVIDER_CLOSED if event.by_provider else EndReason.PROVIDER_ERROR
        self._outbox.put(End(reason=reason, detail=event.detail))

    def _item_added(self, item: p.ItemAdded) -> None:
        self._outbox.log(
            "item.added",
            item_id=item.item_id,
            previous_item_id=item.previous_item_id,
            type=item.type,
            role=item.role,
        )
        self._turns.add(
            "item.added", {"item_id": item.item_id, "previous_item_id": item.previous_item_id}, 0
        )
        if item.type == "message" and item.role == "user" and item.text is not None:
            # Whoever types asks for the answer as well: it is not asked for here again.
            if self._listening.typed(item):
                self._speaking.turn_committed()
        elif item.type == "function_call_output" and not self._book.output_added(item):
            self._outbox.put(Send(command=p.DeleteItem(item_id=item.item_id)))
            self._tampered("tool_output")

    def _configured(self, event: p.Configured) -> None:
        if self._configuring.configured(event):
            self._tampered("configuration")
            self._configuring.send()

    def _tampered(self, what: str) -> None:
        self._tampering += 1
        self._outbox.log("client.tampering", what=what, count=self._tampering)
        if self._tampering >= MAX_TAMPERING:
            detail = "the client tampered with the conversation over its data channel"
            self._outbox.put(End(reason=EndReason.CLIENT_TAMPERING, detail=detail))

    def _failed(self, event: p.Failed, now: float) -> None:
        if event.busy:
            self._speaking.refused(event.command_id, now)
            return
        facts = {"code": event.code, "message": event.message, "command_id": event.command_id}
        self._outbox.log("provider.error", **facts)
        if event.expired:
            detail = "the provider's own limit of a call was reached"
            self._outbox.put(End(reason=EndReason.PROVIDER_CLOSED, detail=detail))
        elif event.fatal:
            self._outbox.put(End(reason=EndReason.PROVIDER_ERROR, detail=event.code))
        else:
            self._speaking.failed(event.command_id)
