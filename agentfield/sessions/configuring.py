"""The configuration of a call: what is to be in force, and whether the provider says it is."""

from __future__ import annotations

__all__ = ["GUARDED", "Configuring"]

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from agentfield.sessions.declaration import with_defaults
from agentfield.sessions.effects import GoLive, Outbox, Resolve, Send, Updated
from agentfield.sessions.model import Session, Tool
from agentfield.sessions.provider import Capabilities, Configuration, Configure, Configured
from agentfield.sessions.tampering import MAX_TAMPERING
from agentfield.sessions.tools import tool_spec
from agentfield.v1 import errors

CONFIRM_SECONDS = 15.0
"""How long the provider may take to confirm a change."""
GUARDED = frozenset({"instructions", "tools", "tool_choice", "turn_detection"})
"""What the provider is to echo as it was sent; of the rest it may have ways of its own."""
_FIXED = frozenset({"voice"})
"""What cannot be put right any more once it was heard."""


class Configuring:
    """Keeps what we want in force, and those who wait for a change of it."""

    def __init__(self, outbox: Outbox, *, session: Session, capabilities: Capabilities) -> None:
        self._out = outbox
        self._declaration = session.declaration
        self._capabilities = capabilities
        self.instructions = session.instructions
        self.tools = session.tools
        self.live = False
        """The provider has confirmed a configuration of this link."""
        self._linked = False
        self._changed = False
        """It was changed while there was no link."""
        self._accepted: frozenset[str] | None = None
        """What the provider echoed otherwise when it was first configured: its own ways."""
        self._unconfirmed = False
        """A configuration was sent and is not echoed yet."""
        self._strange: deque[str] = deque(maxlen=MAX_TAMPERING)
        """What differed in echoes meanwhile: they were of somebody else if ours comes after all."""
        self._waiting: dict[str, float] = {}
        """Until when commands wait for the configuration to be in force."""

    @property
    def wanted(self) -> Configuration:
        """Return what is to be in force at the provider."""
        d, c = self._declaration, self._capabilities
        detection: Mapping[str, Any] | None = d.turn_detection
        if d.has_handler:
            detection = {**with_defaults(detection), "create_response": False}
        transcription = None
        if d.transcription is not None:
            transcription = {"model": c.default_transcription_model, **d.transcription}
        return Configuration(
            model=d.model or c.default_model,
            voice=d.voice or c.default_voice,
            instructions=self.instructions,
            modalities=d.modalities,
            tools=tuple(tool_spec(tool) for tool in self.tools),
            turn_detection=detection,
            transcription=transcription,
        )

    @property
    def deadline(self) -> float:
        return min(self._waiting.values(), default=math.inf)

    def wait_until(self, at: float) -> None:
        """Have those who wait for the configuration to be in force wait until then."""
        self._waiting = dict.fromkeys(self._waiting, at)

    def begin(self) -> None:
        """Begin with a link whose adapter has sent the configuration, as it was when it began."""
        self.live, self._linked, self._unconfirmed, self._accepted = False, True, True, None
        self._strange.clear()
        if self._changed:
            self.send()

    def end(self) -> None:
        """Note that the link is gone."""
        self.live = self._linked = False

    def update(
        self, command_id: str, instructions: str | None, tools: Sequence[Tool] | None, now: float
    ) -> None:
        """Change what is in force; the command is answered when the provider has confirmed it."""
        self.instructions = self.instructions if instructions is None else instructions
        self.tools = self.tools if tools is None else tuple(tools)
        self._out.log(
            "configuration.changed",
            instructions=self.instructions,
            tool_targets=self._targets(),
            request=command_id,
        )
        self._waiting[command_id] = now + CONFIRM_SECONDS
        if self._linked:
            self.send()
        else:
            self._changed = True
            self._confirm()

    def configured(self, event: Configured) -> list[str]:
        """Take in what the provider says is in force; return what somebody else changed.

        Each change is returned once: the names of what differed. What is wanted is sent again.
        """
        differs = frozenset(event.differs)
        if not self._is_ours(differs):
            self._strange.append(", ".join(event.differs))
            if event.pending or self._accepted is None:
                return []
            self.send()
        elif self._unconfirmed:
            self._unconfirmed = False
            self._accepted = differs | (self._accepted or frozenset())
            self._confirm()
            if not self.live:
                self.live = True
                self._out.put(GoLive())
        strange = list(self._strange)
        self._strange.clear()
        return strange

    def send(self) -> None:
        """Put what is wanted into force."""
        self._unconfirmed, self._changed = True, False
        self._out.put(Send(command=Configure(configuration=self.wanted)))

    def tick(self, now: float) -> None:
        """Give up waiting for what the provider does not confirm."""
        for command_id in [waiting for waiting, until in self._waiting.items() if until <= now]:
            del self._waiting[command_id]
            error = errors.ProviderFailed("The provider did not confirm the changed configuration.")
            self._out.put(Resolve(command_id=command_id, result=error))

    def fail_waiting(self, error: errors.AgentFieldError) -> None:
        """Answer those who wait with an error."""
        for command_id in self._waiting:
            self._out.put(Resolve(command_id=command_id, result=error))
        self._waiting.clear()

    def _is_ours(self, differs: frozenset[str]) -> bool:
        if self._accepted is None:
            return not differs & GUARDED
        return differs <= self._accepted | (_FIXED if self._unconfirmed else frozenset())

    def _confirm(self) -> None:
        for command_id in self._waiting:
            updated = Updated(tool_targets=self._targets())
            self._out.put(Resolve(command_id=command_id, result=updated))
        self._waiting.clear()

    def _targets(self) -> dict[str, str]:
        return {tool.name: tool.target for tool in self.tools}
