"""The conversation of one session: what the provider tells and the handler wants in, effects out.

It has no clock, no socket and no store. Every step is told the time, in seconds of any steady
clock, and what it decides is taken from it as effects.
"""

from __future__ import annotations

__all__ = ["Conversation"]

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agentfield.sessions import provider as p
from agentfield.sessions.continuing import Continuing
from agentfield.sessions.effects import Effect, Resolve
from agentfield.sessions.hearing import Hearing
from agentfield.sessions.leading import Leader
from agentfield.sessions.model import Event, Session, Tool, ToolCall
from agentfield.sessions.parts import parts_of
from agentfield.sessions.pieces import Piece
from agentfield.sessions.toolbook import ToolBook, ToolOutcome
from agentfield.v1 import errors


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
        self._new_id = new_id
        self._leader = leader
        parts = parts_of(session, capabilities=capabilities, new_id=new_id)
        self._outbox, self._turns, self._book = parts.outbox, parts.turns, parts.book
        self._configuring, self._speaking = parts.configuring, parts.speaking
        self._listening, self._tampering = parts.listening, parts.tampering
        speaks = "audio" in session.declaration.modalities
        self._continuing = Continuing(parts, speaks=speaks, new_id=new_id)
        self._hearing = Hearing(
            parts,
            self._continuing,
            interruptible=session.declaration.interruptible,
            leader=lambda: self._leader,
            answer=lambda: self._piece("answer"),
        )

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
    def usage(self) -> Mapping[str, Any]:
        """What the provider counted."""
        return self._hearing.usage

    @property
    def book(self) -> ToolBook:
        """The model's tool calls."""
        return self._book

    @property
    def deadline(self) -> float:
        """When ``tick`` is to be called if nothing happens."""
        parts = (self._speaking, self._listening, self._configuring, self._continuing)
        return min(each.deadline for each in parts)

    def recalls(self, command_id: str) -> bool:
        """Return whether a command is in the replayed log: it was answered, or will be."""
        return self._continuing.recalls(command_id)

    def replay(self, event: Event, moment: float) -> None:
        """Take in an event of the log; ``moment`` is when it was, by the clock of the steps."""
        self._continuing.replay(event, moment)
        self._tampering.replay(event.type)
        self._hearing.replay(event.type, event.data)

    # --- steps ---

    def linked(self, provider_call_id: str, *, data_channel: bool = False) -> list[Effect]:
        """Begin with a link to a provider call; its adapter has sent the configuration.

        ``data_channel``: its client may put items into the conversation, too.
        """
        self._continuing.forget(data_channel=data_channel)
        self._book.begin(provider_call_id)
        self._speaking.begin()
        self._configuring.begin()
        return self._outbox.take()

    def resume(self, calls: Sequence[ToolCall], now: float) -> list[Effect]:
        """Go on where the replayed log ends; ``calls`` are the tool calls of its provider call."""
        if self._continuing.resume(calls, now) and self._leader is Leader.MODEL:
            self._speaking.ask(self._piece("answer"))
        return self._settled(now)

    def relinked(self, gap: Mapping[str, str], now: float) -> list[Effect]:
        """Go on with a new link to the same provider call; ``gap`` is when nobody listened."""
        self._continuing.begin(gap, now)
        self._configuring.begin()
        return self._settled(now)

    def unlinked(self) -> list[Effect]:
        """Note that the link is gone and another may come, to the same provider call or not."""
        self._configuring.end()
        self._continuing.lost()
        return self._outbox.take()

    def tick(self, now: float) -> list[Effect]:
        """Do what is due."""
        for each in (self._listening, self._speaking, self._configuring, self._continuing):
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
        stopped = self._speaking.stop()
        self._outbox.log("agent.stopped", request=command_id, stopped=stopped)
        self._outbox.put(Resolve(command_id=command_id, result=stopped))
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
        self._continuing.end()
        self._speaking.close(now)
        return self._outbox.take()

    def heard_from(self, event: p.ProviderEvent, now: float) -> list[Effect]:
        """Take in what the provider tells."""
        self._hearing.hear(event, now)
        return self._settled(now)

    # --- inside ---

    def _settled(self, now: float) -> list[Effect]:
        self._speaking.settle(now)
        if self._configuring.live and self._continuing.is_over:
            self._speaking.pump(now)
        return self._outbox.take()

    def _piece(self, kind: str) -> Piece:
        return Piece(command_id=self._new_id("cmd"), kind=kind)
