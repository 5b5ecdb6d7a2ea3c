"""The sessions that run in this process: begun, taken up again after a restart, and let go."""

from __future__ import annotations

__all__ = ["Registry"]

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from agentfield.dispatch.background import until_stored
from agentfield.executions.engine import Topic
from agentfield.live import observing
from agentfield.live.hangups import TOPIC, HangUps
from agentfield.live.inbox import Step
from agentfield.live.outliving import Outliving
from agentfield.live.promises import draining
from agentfield.live.session import LiveSession
from agentfield.live.taking_up import Left, current_call, taken_up
from agentfield.live.whole import Shared
from agentfield.process.outcomes import attempt
from agentfield.sessions.model import CallState, EndReason, Event, ProviderCall, Session
from agentfield.sessions.ports import PutCall
from agentfield.telemetry import ABANDONED_CALLS, OPEN_CALLS

log = logging.getLogger("agentfield.live")

REPLAY = 1000
FORGET_SECONDS = 60.0
FORGET_AT_ONCE = 5
"""Sessions in one write: live sessions wait for it."""
FORGET_PAUSE_SECONDS = 0.05
PLACE_SECONDS = 2.0
"""How long an offer may still take when the server goes down."""
LET_GO_SECONDS = 2.0
"""How long a session that is let go may take to store what it is storing."""
STOP_SECONDS = 4.0
"""How long a server that goes down waits for its provider calls to end."""


class Registry:
    """Runs each session in a task of its own."""

    def __init__(self, shared: Shared, hang_ups: HangUps, *, retention: float) -> None:
        self.shared = shared
        self._hang_ups = hang_ups
        self._sessions: dict[str, LiveSession] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._starts: asyncio.Queue[tuple[LiveSession, Step]] = asyncio.Queue()
        self._retention = retention
        self._draining = False
        self.lasting = Outliving()
        """For what must not be left half-done when an rpc is cancelled."""

    async def run(self) -> None:
        """Run sessions until cancelled."""
        async with self.lasting.running(), asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hang_ups.run(), name="hang-ups")
            tasks.create_task(self._forget(), name="retention")
            tasks.create_task(self._follow_cancellations(), name="cancelled-roots")
            tasks.create_task(self._follow_goodbyes(), name="goodbyes")
            while True:
                session, first = await self._starts.get()
                if session.is_let_go:
                    continue
                session_id = session.value.session_id
                running = self._run(session, first)
                self._tasks[session_id] = tasks.create_task(running, name=session_id)

    def find(self, session_id: str) -> LiveSession | None:
        """Return a session that runs here; None for one that is over."""
        return self._sessions.get(session_id)

    def runs(self, session_id: str) -> bool:
        """Return whether a session runs here."""
        return session_id in self._sessions

    @property
    def is_draining(self) -> bool:
        """Whether the server goes down."""
        return self._draining

    def look(self, session_id: str) -> None:
        """Have a session that runs here see who follows it."""
        session = self._sessions.get(session_id)
        if session is not None:
            for part in (session.handler, session.presence):
                session.errands.run(session.post(part.look), "look")

    def refuse_while_draining(self) -> None:
        """Raise ServerDraining once the server goes down."""
        if self._draining:
            raise draining("It took nothing on; ask again.")

    def begin(self, session: Session) -> LiveSession:
        """Run a session that was just stored: its handler goes to a worker."""
        known = self._sessions.get(session.session_id)
        if known is not None:
            return known
        running = LiveSession(self.shared, session)
        return self._add(running, running.handler.place)

    async def take_up(self, session: Session) -> LiveSession:
        """Run a stored session that nobody runs: one of an earlier process, or of another server.

        ``session`` is as it is stored, with the ``owner_epoch`` under which this process writes
        from now on. It goes on where its log ends: one that waits for its offer still does, one
        that was connected is attached to its call again.
        """
        store = self.shared.store
        running = LiveSession(self.shared, session)
        heard_at, failure = await self._replay(running)
        calls = await store.calls(session.session_id)
        current = current_call(session, calls)
        for call in calls:
            if call is not current:
                await self._settle(call, session.owner_epoch)
        tool_calls = await store.tool_calls(current.provider_call_id) if current else ()
        left = Left(call=current, tool_calls=tool_calls, heard_at=heard_at, failure=failure)
        return self._add(running, partial(taken_up, running, left))

    async def let_go(self, session_id: str) -> None:
        """Stop running a session without ending it: whoever takes it up goes on with it.

        Nothing is hung up, and nothing is stored after what is being stored now. Those who wait for
        it or follow it are sent on with ServerDraining. Returns when its task is over.
        """
        running = self._sessions.get(session_id)
        if running is None:
            return
        running.let_go()
        self.shared.feeds.send_on(session_id)
        if (task := self._tasks.get(session_id)) is None:  # it has not begun, and will not
            del self._sessions[session_id]
            return
        _, late = await asyncio.wait({task}, timeout=LET_GO_SECONDS)
        if late:  # the store does not answer
            task.cancel()
            await asyncio.wait({task})

    async def let_all_go(self) -> None:
        """Stop running sessions: the lease that they are run under is lost."""
        async with asyncio.TaskGroup() as tasks:
            for session_id in list(self._sessions):
                tasks.create_task(self.let_go(session_id), name="let-go")

    async def drain(self) -> None:
        """Let every session go: nothing that is connected is hung up, the next process goes on.

        Offers that are with the provider get a while to be answered, and so do calls that are
        ending.
        """
        self._draining = True
        self.shared.feeds.drain()
        async with asyncio.TaskGroup() as tasks:
            for session_id, session in self._sessions.items():
                session.commands.release(draining("Give the command again."))
                tasks.create_task(self._leave(session_id, session), name="leave")
        self.shared.hints.publish(TOPIC, "")
        await self._hang_ups.settled(STOP_SECONDS)

    async def _leave(self, session_id: str, session: LiveSession) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(PLACE_SECONDS):
                await session.calls.placed()
        await self.let_go(session_id)

    def _add(self, running: LiveSession, first: Step) -> LiveSession:
        known = self._sessions.setdefault(running.value.session_id, running)
        if known is running:
            self._starts.put_nowait((running, first))
        return known

    async def _settle(self, call: ProviderCall, epoch: int) -> None:
        """Note what is to become of a call that nobody attends to. Raises Unowned."""
        if call.state is CallState.CREATING:
            log.warning("a provider call was abandoned", extra={"session_id": call.session_id})
            ABANDONED_CALLS.inc()
            over = replace(call, state=CallState.ABANDONED, ended_at=self.shared.store.now())
            await self.shared.store.commit(call.session_id, epoch, [PutCall(call=over)])
        elif call.state is CallState.OPEN:
            OPEN_CALLS.inc()
            ending = replace(call, state=CallState.ENDING)
            await self.shared.store.commit(call.session_id, epoch, [PutCall(call=ending)])
        elif call.state is CallState.ENDING:
            OPEN_CALLS.inc()

    async def _run(self, session: LiveSession, first: Step) -> None:
        try:
            with observing.about(session.value):
                await session.run(first)
        finally:
            session.leave()
            if self.find(session.value.session_id) is session:
                del self._sessions[session.value.session_id]
                del self._tasks[session.value.session_id]
            if session.is_let_go:
                self.shared.feeds.send_on(session.value.session_id)

    async def _follow_cancellations(self) -> None:
        """End the sessions whose root execution is cancelled."""
        with self.shared.hints.listen((Topic.STOPPED, None)) as listener:
            while True:
                stopped = {execution_id for _, execution_id in await listener.wait()}
                for session in list(self._sessions.values()):
                    if session.value.root_execution_id in stopped and not session.value.is_over:
                        detail = "its root execution was cancelled"
                        ending = session.post(session.end_because(EndReason.API_ENDED, detail))
                        session.errands.run(ending, "cancelled-root")

    async def _follow_goodbyes(self) -> None:
        """Start handlers again whose worker has left for good."""
        with self.shared.hints.listen((Topic.HANDLER_LOST, None)) as listener:
            while True:
                for _, key in await listener.wait():
                    session_id, _, attempt = key.partition(" ")
                    session = self._sessions.get(session_id)
                    if session is not None:
                        lost = partial(session.handler.lost, int(attempt), "its worker left")
                        session.errands.run(session.post(lost), "goodbye")

    async def _forget(self) -> None:
        """Remove the words of sessions that ended long ago, again and again."""
        while True:
            before = self.shared.store.now() - round(self._retention * 1e6)
            expire = partial(self.shared.store.expire, ended_before=before, limit=FORGET_AT_ONCE)
            more = await until_stored(expire) >= FORGET_AT_ONCE
            await asyncio.sleep(FORGET_PAUSE_SECONDS if more else FORGET_SECONDS)

    async def _replay(self, running: LiveSession) -> tuple[int, Exception | None]:
        """Tell a session its log; return when its last event was stored, and what it fails with."""
        after, at, session_id = 0, 0, running.value.session_id
        began_at = asyncio.get_running_loop().time() - self.shared.store.now() / 1e6
        while events := await self.shared.store.events(session_id, after=after, limit=REPLAY):
            after, at = events[-1].sequence, events[-1].at
            told = attempt(partial(_tell, running, events, began_at))
            if told.error is not None:
                return at, told.error  # the session's own: its task ends with it
        return at, None


def _tell(running: LiveSession, events: Sequence[Event], began_at: float) -> None:
    for event in events:
        running.conversation.replay(event, began_at + event.at / 1e6)
        running.tools.replay(event.type, event.data)
        running.presence.replay(event.type, event.data)
