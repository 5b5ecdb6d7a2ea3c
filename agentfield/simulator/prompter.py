"""Tells the model what it hears and what to do next, following the script."""

from __future__ import annotations

__all__ = ["Prompter"]

import re
from collections.abc import Callable

from agentfield.simulator.script import Heard, Reply, Script

_QUOTED = re.compile(r'["“](.+)["”]', re.DOTALL)


class Prompter:
    """Follows one script through one call; a new script is followed from its beginning."""

    def __init__(self, script: Callable[[], Script]) -> None:
        self._current = script
        self._followed = script()
        self._utterances = 0
        self._used: set[int] = set()

    def script(self) -> Script:
        """Return the script that counts now."""
        script = self._current()
        if script is not self._followed:
            self._followed, self._utterances, self._used = script, 0, set()
        return script

    def heard(self) -> Heard:
        """Return what the utterance that has just ended is heard as."""
        script = self.script()
        number, self._utterances = self._utterances, self._utterances + 1
        if number >= len(script.heard):
            return Heard(text="Hello.")
        heard = script.heard[number]
        return Heard(text=heard) if isinstance(heard, str) else heard

    def reply(self, prompt: str, *, requested: bool) -> Reply:
        """Return what the model does about a prompt, which may be a request of the client."""
        for number, each in enumerate(self.script().replies):
            reply = Reply(says=each) if isinstance(each, str) else each
            if number in self._used or not _answers(reply, prompt, requested=requested):
                continue
            if not reply.repeats:
                self._used.add(number)
            return reply
        quoted = _QUOTED.search(prompt) if requested else None
        return Reply(says=quoted[1] if quoted else prompt or "Hello.")


def _answers(reply: Reply, prompt: str, *, requested: bool) -> bool:
    if reply.when is None:
        return not requested
    return re.search(reply.when, prompt, re.IGNORECASE) is not None
