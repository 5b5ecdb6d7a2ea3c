"""Commands of a handler, and those who wait for what becomes of them."""

from __future__ import annotations

__all__ = ["Commands"]

import asyncio
from typing import Any

from agentfield.live.inbox import Step
from agentfield.live.whole import Whole
from agentfield.v1 import errors


class Commands:
    """Remembers every command of a session, so that a repeat joins the first."""

    def __init__(self) -> None:
        self._results: dict[str, asyncio.Future[Any]] = {}

    async def take(self, command_id: str, session: Whole, step: Step) -> asyncio.Future[Any]:
        """Have a command's step taken if it is the first of its id; return its result to come."""
        if command_id not in self._results:
            self._results[command_id] = session.owe()
            try:
                await session.post(step)
            except asyncio.CancelledError:
                # Its step is not there: a repeat is to bring it.
                self._results.pop(command_id).cancel()
                raise
        return self._results[command_id]

    def resolve(self, command_id: str, result: object) -> None:
        """Answer those who wait for a command, or will, with a result or an error."""
        future = self._results.get(command_id)
        if future is None:  # it was given before this process took the session up
            future = self._results[command_id] = asyncio.get_running_loop().create_future()
        if future.done():
            return
        if isinstance(result, errors.AgentFieldError):
            future.set_exception(result)
            future.exception()  # whoever asked may have gone
        else:
            future.set_result(result)

    def release(self, error: errors.AgentFieldError) -> None:
        """Answer all who wait with an error, and forget their commands: they may be given again."""
        for command_id, future in list(self._results.items()):
            if not future.done():
                self.resolve(command_id, error)
                del self._results[command_id]
