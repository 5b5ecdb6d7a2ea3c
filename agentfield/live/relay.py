"""Commands for sessions, wherever they run: done here, or rows that the session's owner does.

A row that a dying owner has not answered is done by the next one: every command can be begun twice,
and finds then what it has done already.
"""

from __future__ import annotations

__all__ = ["Relay"]

import asyncio
import logging
from functools import partial
from typing import Any

from agentfield.dispatch.background import until_stored
from agentfield.executions.engine import Topic
from agentfield.live.acts import Acts
from agentfield.live.asking import POLL_SECONDS, Asker
from agentfield.live.registry import Registry
from agentfield.live.session import LiveSession
from agentfield.live.supervision import supervised
from agentfield.sessions import ports
from agentfield.sessions.commandjson import command_from_json, result_json
from agentfield.sessions.commands import Command, PlaceHandler
from agentfield.sessions.sharing import CommandRow, CommandRows, Unowned
from agentfield.v1 import errors

log = logging.getLogger("agentfield.live")

FORGET_SECONDS = 60.0
MAX_AT_ONCE = 4096


class Relay:
    """Has commands done, and does what other replicas ask of this one."""

    def __init__(
        self, registry: Registry, asker: Asker, rows: CommandRows, workers: ports.Workers
    ) -> None:
        self._registry = registry
        self._asker = asker
        self._acts = Acts(registry.lasting)
        self._rows = rows
        self._workers = workers
        self._hints = registry.shared.hints
        self._lease = registry.shared.lease
        self._under_way: set[str] = set()
        self._over: set[str] = set()
        """Of those under way, the ones that are done."""

    async def do(self, session_id: str, command: Command) -> Any:
        """Do a command in a session that runs here, or have its owner do it; return its result.

        Raises what the command does, and what ``Asker.ask`` does.
        """
        session = self._registry.find(session_id)
        if session is not None:
            return await self._acts.do(session, command)
        self._registry.refuse_while_draining()
        return await self._asker.ask(session_id, command)

    async def run(self) -> None:
        """Do what is asked of this replica, until cancelled."""
        if self._lease.alone:
            return
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._forget(), name="old-commands")
            with self._hints.listen((Topic.ASKED, None)) as listener:
                while True:
                    await listener.wait(POLL_SECONDS)
                    # Those that are answered while the rows are read may still be among them.
                    over = set(self._over)
                    for row in await until_stored(self._waiting):
                        session = self._registry.find(row.session_id)
                        if row.command_id in self._under_way or not (session or row.replica_id):
                            continue
                        self._under_way.add(row.command_id)
                        tasks.create_task(self._answer(row, session), name="command")
                    self._under_way -= over
                    self._over -= over

    async def _waiting(self) -> list[CommandRow]:
        return list(await self._rows.waiting(self._lease.replica_id, limit=MAX_AT_ONCE))

    async def _answer(self, row: CommandRow, session: LiveSession | None) -> None:
        try:
            result = await self._result(row, session)
            if result is not None:
                self._hints.publish(Topic.ANSWERED, row.command_id)
                await until_stored(partial(self._rows.answer, row.command_id, result))
        finally:
            self._over.add(row.command_id)

    async def _result(self, row: CommandRow, session: LiveSession | None) -> bytes | None:
        """Do a command and return what its row gets; None: another replica is to do it."""
        with supervised("a command failed", kind=row.kind, session_id=row.session_id):
            try:
                command = command_from_json(row.payload)
                if isinstance(command, PlaceHandler):
                    return result_json(self._workers.place(command.start))
                if session is None:
                    return None
                return result_json(await self._acts.do(session, command))
            except (errors.ServerDraining, Unowned):
                return None
            except errors.AgentFieldError as error:
                return result_json(error)
        text = "Something went wrong inside the control plane; its log has more."
        return result_json(errors.Internal(text))

    async def _forget(self) -> None:
        while True:
            await until_stored(self._rows.forget)
            await until_stored(self._lease.store.forget)
            await asyncio.sleep(FORGET_SECONDS)
