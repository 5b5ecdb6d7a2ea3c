"""What callers can do with sessions: start, connect, watch, use tools, end, read, delete."""

from __future__ import annotations

__all__ = ["ClientSide", "Started", "Told"]

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from agentfield.config import Limits
from agentfield.contract.turns import HeardTurn, Turns
from agentfield.executions.engine import Topic
from agentfield.executions.model import Execution
from agentfield.executions.ports import Nodes, scope_of
from agentfield.executions.submission import checked_input, checked_request_id
from agentfield.identity import Caller
from agentfield.ids import new_id
from agentfield.live.owners import NodeOwners
from agentfield.live.registry import Registry
from agentfield.live.relay import Relay
from agentfield.process import tracing
from agentfield.sessions import tokens
from agentfield.sessions.commands import Command, EndSession, InvokeTool, TakeOffer
from agentfield.sessions.declaration import Matrix
from agentfield.sessions.model import EndReason, Event, ProviderCall, Session, session_ended
from agentfield.sessions.offers import OfferAssertions
from agentfield.sessions.ports import Begun, Found, SessionFilter, SessionPage, Start
from agentfield.sessions.sharing import Following, FollowRole
from agentfield.sessions.starting import (
    ServedPairs,
    SessionCeilings,
    StartRequest,
    begin,
    fingerprint,
)
from agentfield.telemetry import STARTED_SESSIONS
from agentfield.v1 import errors

REPLAY = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A session that was started, and the token for it, which is shown once."""

    session: Session
    token: str
    token_expires_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """All that can be read of a session at once."""

    session: Session
    turns: tuple[HeardTurn, ...]
    calls: tuple[ProviderCall, ...]


class ClientSide:
    """Sessions as callers see them."""

    def __init__(
        self,
        registry: Registry,
        relay: Relay,
        *,
        owners: NodeOwners,
        nodes: Nodes,
        matrix: Matrix,
        served: ServedPairs,
        ceilings: SessionCeilings,
        limits: Limits,
    ) -> None:
        self._registry = registry
        self._relay = relay
        self._store = registry.shared.store
        self._owners = owners
        self._nodes = nodes
        self._matrix = matrix
        self._served = served
        self._ceilings = ceilings
        self.limits = limits

    async def start(self, request: StartRequest) -> Started:
        """Start a session. A repeat of a request_id returns the first one with a fresh token."""
        self._registry.refuse_while_draining()
        token = tokens.new_token()
        start = Start(
            node_id=request.node_id,
            name=request.name,
            caller_name=request.caller.name,
            start_token_id=request.caller.start.token_id if request.caller.start else "",
            request_id=checked_request_id(request.request_id),
            fingerprint=fingerprint(request),
            token_sha256=tokens.hashed(token),
            token_expires_at=tokens.expires_at,
            replica_id=self._registry.shared.lease.replica_id,
        )

        make = partial(
            begin,
            request,
            matrix=self._matrix,
            served=self._served,
            ceilings=self._ceilings,
        )
        workers = self._registry.shared.workers
        available = workers.available(request.node_id, request.name)
        making = partial(_begin_with_worker, make, start.replica_id, available=available)
        with tracing.span("session.start", tracing.facts(target=request.target)) as span:
            session = await self._registry.lasting.finish(self._begin(start, making))
            span.set_attributes(tracing.facts(session_id=session.session_id))
        return Started(session=session, token=token, token_expires_at=tokens.expires_at(session))

    async def _begin(self, start: Start, make: Callable[[Found], Begun]) -> Session:
        session, created = await self._store.start(start, make)
        if created:
            STARTED_SESSIONS.inc()
        if created and session.owner == start.replica_id:
            self._registry.begin(session)
        elif created:
            self._registry.shared.hints.publish(Topic.UNOWNED, session.owner)
        elif session.owner == start.replica_id and not self._registry.runs(session.session_id):
            await self._begin_late(session.session_id)
        return session

    async def _begin_late(self, session_id: str) -> None:
        """Begin a session of which it was not known that it had been stored."""
        session = await self._store.get(session_id)
        if session is not None and not session.is_over and not self._registry.runs(session_id):
            await self._registry.take_up(session)

    async def offer(
        self, session_id: str, sdp: bytes, asserted: OfferAssertions, caller: Caller
    ) -> bytes:
        """Take an SDP offer to the provider and return its answer, byte for byte."""
        offer = TakeOffer(sdp=sdp, asserted=asserted)
        answer_sdp: bytes = await self._do(session_id, offer, caller)
        return answer_sdp

    async def invoke_tool(
        self,
        session_id: str,
        *,
        tool: str,
        target: str,
        input_: bytes,
        call_id: str,
        timeout: float,
        request_id: str,
        caller: Caller,
    ) -> Execution:
        """Run one of the session's tools, or return the execution of a call of the model."""
        invocation = InvokeTool(
            tool=tool,
            target=target,
            input=b"" if call_id else checked_input(input_, self.limits),
            call_id=call_id,
            timeout=timeout,
            # Should the one who runs it die, the next one is to find what it has begun.
            request_id=checked_request_id(request_id) or new_id("req"),
        )
        execution_id: str = await self._do(session_id, invocation, caller)
        return await self._registry.shared.runs.get(execution_id)

    async def get(self, session_id: str, caller: Caller) -> Told:
        """Return a session with its turns and provider calls."""
        session = await self.visible(session_id, caller)
        turns = Turns()
        after = 0
        while events := await self._store.events(session_id, after=after, limit=REPLAY):
            for event in events:
                turns.add(event.type, event.data, event.at)
            after = events[-1].sequence
        calls = await self._store.calls(session_id)
        return Told(session=session, turns=tuple(turns.history()), calls=tuple(calls))

    async def page(
        self, where: SessionFilter, caller: Caller, *, before_seq: int | None, limit: int
    ) -> SessionPage:
        """Return a page of sessions, the newest first."""
        scope = scope_of(caller, [] if caller.is_admin else await self._nodes.ids())
        return await self._store.page(where, scope, before_seq=before_seq, limit=limit)

    async def end(
        self, session_id: str, detail: str, caller: Caller, *, hangup: bool, attempt: int
    ) -> Session:
        """End a session and return it; one that has ended stays as it is.

        ``attempt`` is that of the handler that ends it, 0 for anybody else.
        """
        if len(detail) > 1000:
            raise errors.InvalidArgument(
                "A detail has at most 1000 characters.", metadata={"field": "detail"}
            )
        session = await self.visible(session_id, caller)
        if not session.is_over:
            reason = _reason(caller, hangup=hangup)
            if attempt:
                await self._owners.check(caller, session)
                reason = EndReason.AGENT_ENDED
            ending = EndSession(reason=reason, detail=detail, attempt=attempt)
            with suppress(errors.SessionEnded):  # somebody else was quicker
                await self._relay.do(session_id, ending)
        return await self.visible(session_id, caller)

    async def delete(self, session_id: str, caller: Caller) -> Session:
        """Remove the words of an ended session and return what is left of it."""
        await self.visible(session_id, caller)
        await self._store.delete(session_id)
        return await self.visible(session_id, caller)

    async def watch(
        self, session_id: str, after: int, caller: Caller
    ) -> AsyncGenerator[Event, None]:
        """Yield the log from after a number on, and what happens, to its last event."""
        if after < 0:
            raise errors.InvalidArgument(
                "after_sequence is the number of the last event seen, or 0.",
                metadata={"field": "after_sequence"},
            )
        session = await self.visible(session_id, caller)
        shared = self._registry.shared
        role = FollowRole.CLIENT if caller.is_session else FollowRole.READER
        following = Following(session_id=session_id, role=role)
        with nullcontext() if session.is_over else shared.streams.open(following):
            if not session.is_over:
                data = {"state": session.state, "last_sequence": session.last_sequence}
                yield Event(type="watch.started", data=data, at=self._store.now())
            feed = shared.feeds.follow(session_id, after=after)
            async with aclosing(feed):
                async for event in feed:
                    yield event

    async def token_holder(self, token: str) -> Caller | None:
        """Return who shows a session's token; None if it is not good any more."""
        stored = await self._store.token(tokens.hashed(token))
        return tokens.holder(stored, self._store.now())

    async def visible(self, session_id: str, caller: Caller) -> Session:
        """Return a session that the caller may see, as it is stored. Raises SessionNotFound."""
        return _usable(await self._store.get(session_id), session_id, caller)

    async def _do(self, session_id: str, command: Command, caller: Caller) -> Any:
        """Have a command done in a session that the caller may use.

        Raises SessionNotFound or SessionEnded.
        """
        running = self._registry.find(session_id)
        stored = running.value if running else await self._store.get(session_id)
        session = _usable(stored, session_id, caller)
        if session.is_over:
            raise session_ended(session)
        self._registry.refuse_while_draining()
        return await self._relay.do(session_id, command)


def _begin_with_worker(
    make: Callable[[Found], Begun], replica_id: str, found: Found, *, available: bool
) -> Begun:
    """Return what begins, run by this replica, or by another one that has a worker for it."""
    begun = make(found)
    session = replace(begun.session, owner=replica_id)
    if session.declaration.has_handler and not available:
        # It takes up what has not begun: that is what the epoch says.
        elsewhere = next((r for r in found.replicas_with_room if r != replica_id), "")
        session = replace(session, owner=elsewhere, owner_epoch=0)
    if not session.owner:
        raise errors.NodeUnavailable(
            f"Session {begun.session.target} has a handler, and no worker of node "
            f"'{begun.session.node_id}' is connected that has room for it; start the agent and "
            "try again.",
            metadata={"node_id": begun.session.node_id},
            retry_after=1,
        )
    return replace(begun, session=session)


def _reason(caller: Caller, *, hangup: bool) -> EndReason:
    return EndReason.CLIENT_HANGUP if hangup or caller.is_session else EndReason.API_ENDED


def _usable(session: Session | None, session_id: str, caller: Caller) -> Session:
    if session is not None and caller.may_see(
        owners=[session.created_by], node_id=session.node_id, session_id=session.session_id
    ):
        return session
    raise errors.SessionNotFound(
        f"There is no session '{session_id}'.", metadata={"session_id": session_id}
    )
