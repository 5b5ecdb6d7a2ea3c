"""Sessions as a client sees them: start, connect, watch, end."""

from __future__ import annotations

__all__ = ["Sessions"]

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from agentfield.contract.json import set_text
from agentfield.v1 import errors
from agentfield.v1 import session_service_pb2 as pb
from agentfield_sdk.backoff import Patience
from agentfield_sdk.connection import RETRY_SECONDS, Connection
from agentfield_sdk.handle import ExecutionHandle
from agentfield_sdk.payload import dump, duration
from agentfield_sdk.session_values import Session, SessionEvent, StartedSession, StartToken
from agentfield_sdk.values import Workflow, value_of


class Sessions:
    """The sessions of one control plane, as ``client.sessions``.

    With a key, everything; with a session's token in place of the key, ``offer``, ``invoke_tool``,
    ``get``, ``end``, ``watch`` and ``workflows`` of that session; with a start token, ``start`` of
    its target.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def start(
        self,
        target: str,
        *,
        provider: str | None = None,
        transport: str | None = None,
        model: str | None = None,
        voice: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        request_id: str = "",
        actor_id: str = "",
    ) -> StartedSession:
        """Start a session of ``node.session``; its handler is running when this returns.

        Provider and transport, if given, must be the declared ones; model and voice stand in place
        of the declared ones. ``metadata`` is for the handler, ``actor_id`` says who it is for.
        Starts with one ``request_id`` are one session. Raises TransportNotServed, and NodeUnavailable
        or SessionLimitReached if for half a minute no worker or no room was there.
        """
        response = await self._connection.call(
            self._connection.sessions.StartSession,
            pb.StartSessionRequest(
                target=target,
                provider=provider or "",
                transport=transport or "",
                model=model or "",
                voice=voice or "",
                metadata=dump(metadata) if metadata else b"",
                request_id=request_id,
            ),
            metadata=(("x-actor-id", actor_id),) if actor_id else (),
        )
        started: StartedSession = value_of(response)
        return started

    async def create_token(
        self, target: str, *, ttl: float | None = None, uses: int = 1, actor_id: str = ""
    ) -> StartToken:
        """Return a token for a page or an app, which gets no key: it starts ``target`` alone.

        It is good for ``ttl`` seconds, 600 unless given and 3600 at most, and for ``uses`` starts.
        What it starts is of this key, as declared, and for ``actor_id``.
        """
        response = await self._connection.call(
            self._connection.sessions.CreateClientToken,
            pb.CreateClientTokenRequest(target=target, ttl=duration(ttl), uses=uses),
            metadata=(("x-actor-id", actor_id),) if actor_id else (),
        )
        token: StartToken = value_of(response)
        return token

    async def offer(self, session_id: str, sdp: str) -> str:
        """Take a WebRTC offer to the provider and return its answer, both byte for byte.

        The same offer again gets the same answer.
        """
        request = pb.RealtimeOfferRequest(session_id=session_id, offer_sdp=sdp)
        response = await self._connection.call(self._connection.sessions.RealtimeOffer, request)
        return response.answer_sdp

    async def invoke_tool(
        self,
        session_id: str,
        tool: str,
        *,
        target: str | None = None,
        input: Mapping[str, Any] | None = None,  # noqa: A002 - the contract's word
        call_id: str | None = None,
        timeout: float | None = None,
        request_id: str = "",
    ) -> ExecutionHandle:
        """Run one of the session's tools and return a handle of its execution.

        ``target`` decides what runs, if given; ``tool`` is a label then. With ``call_id``, the
        provider's id of a call of the model, that call's execution is returned and ``input`` is
        ignored. ``timeout`` is the execution's, in seconds. Raises ToolNotAllowed, UnknownToolCall.
        """
        response = await self._connection.call(
            self._connection.sessions.InvokeTool,
            pb.InvokeToolRequest(
                session_id=session_id,
                tool=tool,
                target=target or "",
                input=dump(input) if input else b"",
                call_id=call_id or "",
                timeout=duration(timeout),
                request_id=request_id,
            ),
        )
        return ExecutionHandle(
            self._connection, execution_id=response.execution_id, run_id=response.run_id
        )

    async def get(self, session_id: str) -> Session:
        """Return a session with its turns and provider calls."""
        request = pb.GetSessionRequest(session_id=session_id)
        response = await self._connection.call(self._connection.sessions.GetSession, request)
        session: Session = value_of(response.session)
        return session

    async def list(self, *, target: str = "", state: str = "") -> AsyncGenerator[Session, None]:
        """Yield sessions without turns, the newest first: of a target, in a state (``live``)."""
        request = pb.ListSessionsRequest(target=target)
        if state:
            set_text(request, "state", state)
        while True:
            page = await self._connection.call(self._connection.sessions.ListSessions, request)
            for session in page.sessions:
                yield value_of(session)
            request.page_token = page.next_page_token
            if not request.page_token:
                return

    async def end(self, session_id: str, *, detail: str = "", hangup: bool = False) -> Session:
        """End a session and return it; one that has ended stays as it is.

        ``detail`` says why, for people; ``hangup`` that the client's side leaves, as it always does
        with the session's token.
        """
        request = pb.EndSessionRequest(session_id=session_id, detail=detail, hangup=hangup)
        response = await self._connection.call(self._connection.sessions.EndSession, request)
        session: Session = value_of(response.session)
        return session

    async def delete(self, session_id: str) -> Session:
        """Remove the words, inputs and results of an ended session; return what stays of it.

        Raises SessionActive if it has not ended.
        """
        request = pb.DeleteSessionRequest(session_id=session_id)
        response = await self._connection.call(self._connection.sessions.DeleteSession, request)
        session: Session = value_of(response.session)
        return session

    async def watch(
        self, session_id: str, after_sequence: int = 0
    ) -> AsyncGenerator[SessionEvent, None]:
        """Yield a session's log from after a number on, then what happens, until it has ended.

        No number comes twice, and none is left out, also when the control plane is away for less
        than half a minute. Events of number 0 are not in the log and may be missed; of these,
        ``watch.started`` begins every connection.
        """
        patience = Patience(RETRY_SECONDS)
        request = pb.WatchSessionRequest(session_id=session_id, after_sequence=after_sequence)
        rpc = self._connection.sessions.WatchSession
        while True:
            heard = False
            error: errors.AgentFieldError = errors.ServerUnreachable("The watch ended early.")
            try:
                async with aclosing(self._connection.stream(rpc, request)) as responses:
                    async for response in responses:
                        heard = True
                        event = response.event
                        patience.renew()
                        if event.sequence and event.sequence <= request.after_sequence:
                            continue
                        request.after_sequence = event.sequence or request.after_sequence
                        yield value_of(event)
                        if event.type == "session.ended":
                            return
                if not heard:
                    return  # it had ended, and its last event was seen before
            except errors.AgentFieldError as failure:
                error = failure
            await patience.wait(error)

    async def workflows(self, session_id: str) -> AsyncGenerator[Workflow, None]:
        """Yield the workflows of a session without executions, the newest first."""
        request = pb.ListSessionWorkflowsRequest(session_id=session_id)
        rpc = self._connection.sessions.ListSessionWorkflows
        while True:
            page = await self._connection.call(rpc, request)
            for workflow in page.workflows:
                yield value_of(workflow)
            request.page_token = page.next_page_token
            if not request.page_token:
                return
