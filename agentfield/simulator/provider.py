"""The simulated provider: its script, its calls, its keys and its journal."""

from __future__ import annotations

__all__ = ["Provider", "call_not_found"]

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from agentfield.simulator.call import Call
from agentfield.simulator.conversation import Conversation
from agentfield.simulator.ids import new_id
from agentfield.simulator.journal import Journal
from agentfield.simulator.keys import Key, Keys
from agentfield.simulator.prompter import Prompter
from agentfield.simulator.refusals import Refused
from agentfield.simulator.script import Fault, Script
from agentfield.simulator.senses import Senses
from agentfield.simulator.settings import new_session

_NONE = Senses()
_PAUSE_MS = 500
"""People pause for longer between two words than the real provider's 200 ms allow for."""


class Provider:
    """Everything that outlives a single request."""

    def __init__(
        self,
        *,
        script: Script,
        api_key: str | None,
        senses: Senses = _NONE,
    ) -> None:
        self.journal = Journal()
        self.keys = Keys(api_key)
        self.calls: dict[str, Call] = {}
        self._script = script
        self._senses = senses
        self._faults = [fault.times for fault in script.faults]
        self._secret_of: dict[str, str] = {}

    @property
    def script(self) -> Script:
        """The script that counts from now on, for running calls too."""
        return self._script

    @script.setter
    def script(self, script: Script) -> None:
        self._script = script
        self._faults = [fault.times for fault in script.faults]

    @contextmanager
    def all_ended(self) -> Iterator[None]:
        """End the calls that are running when the block is left."""
        try:
            yield
        finally:
            for call in list(self.calls.values()):
                call.end()

    async def trip(self, on: str) -> None:
        """Let the script's faults happen to a request."""
        for number, fault in enumerate(self._script.faults):
            if fault.on == on and self._faults[number] > 0:
                self._faults[number] -= 1
                await asyncio.sleep(fault.after_ms / 1000)
                if fault.status is not None:
                    raise _refusal(fault, fault.status)
                return

    def open(
        self,
        request: dict[str, Any] | None,
        key: Key,
        *,
        model: str | None,
        media: bool,
        tasks: asyncio.TaskGroup,
    ) -> Call:
        """Begin a call with the session that was asked for."""
        if request is None:
            request = key.session or {"type": "realtime"}
        spoken = {} if self._senses.ears is None else {"silence_ms": _PAUSE_MS}
        session = new_session(
            request,
            session_id=new_id("sess"),
            model=model,
            expires_at=int(time.time()) + self._script.lasts_ms // 1000,
            **spoken,
        )
        call = Call(
            call_id=new_id("rtc" if media else "sess"),
            conversation=Conversation(
                session=session,
                prompter=Prompter(lambda: self._script),
                new_id=new_id,
                plays_audio=media,
                abilities=self._senses.abilities,
            ),
            journal=self.journal,
            script=lambda: self._script,
            senses=self._senses,
            tasks=tasks,
        )
        self.calls[call.id] = call
        if key.session is not None:
            self._secret_of[call.id] = key.value
        return call

    def find(self, call_id: str, key: Key) -> Call:
        """Return a running call; a client secret only finds its own."""
        if key.session is not None and self._secret_of.get(call_id) != key.value:
            raise call_not_found()
        return self.running(call_id)

    def running(self, call_id: str) -> Call:
        """Return a running call."""
        call = self.calls.get(call_id)
        if call is None or call.ended.is_set():
            raise call_not_found()
        return call


def call_not_found() -> Refused:
    """Refuse a call that is not there, not yet or no more."""
    return Refused(
        "No session found for the provided call_id.", code="call_id_not_found", status=404
    )


def _refusal(fault: Fault, status: int) -> Refused:
    limited = status == 429
    return Refused(
        "Rate limit reached." if limited else "The server had an error. Please retry.",
        code=fault.code or ("rate_limit_exceeded" if limited else None),
        kind="rate_limit_error" if limited else "server_error",
        status=status,
        retry_after=fault.retry_after,
    )
