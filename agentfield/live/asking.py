"""Asking other replicas to do what this one cannot: a row, and its answer.

Everybody also looks once a second: a lost hint costs that.
"""

from __future__ import annotations

__all__ = ["POLL_SECONDS", "Asker"]

import asyncio
from functools import partial
from typing import Any

from agentfield.dispatch.background import until_stored
from agentfield.executions.engine import Topic
from agentfield.executions.ports import Hints
from agentfield.ids import new_id
from agentfield.live.leases import Lease
from agentfield.live.promises import draining
from agentfield.sessions import ports
from agentfield.sessions.commandjson import command_json, kind_of, result_from_json
from agentfield.sessions.commands import Command, PlaceHandler
from agentfield.sessions.model import session_ended
from agentfield.sessions.sharing import CommandRow, CommandRows
from agentfield.telemetry import ASKED
from agentfield.v1 import errors

POLL_SECONDS = 1.0
KEPT_SECONDS = 3600.0
"""How long a command waits for who does it; longer than anything is spoken."""
LAST_POLLS = 3
"""How often an answer is looked for once the session has ended."""


class Asker:
    """Has commands done by other replicas."""

    def __init__(
        self, rows: CommandRows, *, sessions: ports.Store, hints: Hints, lease: Lease
    ) -> None:
        self._rows = rows
        self._sessions = sessions
        self._hints = hints
        self._lease = lease
        self._draining = False

    def drain(self) -> None:
        """Send those who wait for an answer to another server."""
        self._draining = True
        self._hints.publish(Topic.DRAIN, "")

    async def ask(self, session_id: str, command: Command, *, replica_id: str = "") -> Any:
        """Have a command done by a session's owner, or by a certain replica; return its result.

        Raises what the one who does it raises, SessionEnded if nobody runs the session any more,
        ServerUnreachable if the replica is gone, and ServerDraining.
        """
        if self._lease.alone:
            raise _unreachable(session_id)
        row = CommandRow(
            command_id=new_id("cmd"),
            session_id=session_id,
            replica_id=replica_id,
            kind=kind_of(command),
            payload=command_json(command),
        )
        clock, polls = asyncio.get_running_loop().time, 0
        with self._hints.listen((Topic.ANSWERED, row.command_id), (Topic.DRAIN, "")) as listener:
            ASKED.inc()
            # Published first: a hint travels with what is written next.
            self._hints.publish(Topic.ASKED, session_id)
            put = partial(self._rows.put, row, lasts=KEPT_SECONDS)
            # What has no request_id must not be asked for twice, stored or not.
            await (until_stored(put) if replica_id else put())
            until = clock() + KEPT_SECONDS
            while clock() < until and polls < LAST_POLLS:
                if self._draining:
                    raise draining("Ask again, with the same request_id.")
                await listener.wait(POLL_SECONDS)
                verdict = await until_stored(partial(self._rows.verdict, row.command_id))
                if verdict is None:
                    break
                if verdict.result is not None:
                    return result_from_json(verdict.result)
                if not verdict.is_reachable:
                    raise _unreachable(session_id)
                polls += verdict.is_over
        session = await self._sessions.get(session_id)
        raise session_ended(session) if session and session.is_over else _unreachable(session_id)

    async def place(self, start: ports.HandlerStart) -> str | None:
        """Send a handler to a worker of another replica.

        Returns the worker's instance id; None: nobody has a worker for it.
        """
        able = partial(self._lease.store.able, start.node_id, start.name)
        for replica_id in await until_stored(able):
            if replica_id == self._lease.replica_id:
                continue
            try:
                placing = PlaceHandler(start=start)
                found = await self.ask(start.session_id, placing, replica_id=replica_id)
            except errors.ServerUnreachable:
                continue
            if found is not None:
                return str(found)
        return None


def _unreachable(session_id: str) -> errors.ServerUnreachable:
    return errors.ServerUnreachable(
        f"The replica that is to act on session '{session_id}' cannot be reached; ask again.",
        metadata={"session_id": session_id},
        retry_after=1,
    )
