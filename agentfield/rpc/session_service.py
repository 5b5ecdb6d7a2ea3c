"""SessionService: convert, call, convert."""

from __future__ import annotations

__all__ = ["SessionService"]

from collections.abc import AsyncIterator
from contextlib import aclosing
from urllib.parse import urlencode

from agentfield.executions.submission import checked_timeout
from agentfield.executions.workflows import Workflows
from agentfield.ids import new_id
from agentfield.live.clients import ClientSide, Started
from agentfield.live.start_tokens import StartTokens
from agentfield.rpc import convert, convert_sessions
from agentfield.rpc.call import Context, current_call
from agentfield.rpc.pages import page_size, read_seq, token
from agentfield.sessions.declaration import WITH_DETECTION, with_defaults
from agentfield.sessions.offers import OfferAssertions
from agentfield.sessions.ports import SessionFilter
from agentfield.sessions.starting import StartRequest, checked_metadata, split_target
from agentfield.v1 import session_service_pb2 as pb
from agentfield.v1 import session_service_pb2_grpc

_INSTANCES = "/api/v1/session-instances"


class SessionService(session_service_pb2_grpc.SessionServiceServicer):
    """The servicer of SessionService."""

    def __init__(
        self, sessions: ClientSide, start_tokens: StartTokens, workflows: Workflows
    ) -> None:
        self._sessions = sessions
        self._start_tokens = start_tokens
        self._workflows = workflows

    async def StartSession(
        self, request: pb.StartSessionRequest, context: Context
    ) -> pb.StartSessionResponse:
        call = current_call.get()
        node_id, name = split_target(request.target)
        started = await self._sessions.start(
            StartRequest(
                node_id=node_id,
                name=name,
                provider=request.provider,
                transport=request.transport,
                model=request.model,
                voice=request.voice,
                metadata=checked_metadata(request.metadata),
                claims=call.claims,
                caller=call.caller,
                request_id=request.request_id,
                session_id=new_id("sess"),
                run_id=new_id("run"),
                root_execution_id=new_id("exec"),
            )
        )
        return _started(started)

    async def CreateClientToken(
        self, request: pb.CreateClientTokenRequest, context: Context
    ) -> pb.CreateClientTokenResponse:
        call = current_call.get()
        made = await self._start_tokens.create(
            request.target,
            ttl=convert.seconds(request.ttl) if request.HasField("ttl") else None,
            uses=request.uses,
            caller=call.caller,
            actor_id=call.claims.actor_id,
        )
        response = pb.CreateClientTokenResponse(
            token=made.secret,
            token_id=made.kept.token_id,
            target=made.kept.target,
            uses=made.kept.uses_left,
        )
        convert.set_time(response.expires_at, made.kept.expires_at)
        return response

    async def RealtimeOffer(
        self, request: pb.RealtimeOfferRequest, context: Context
    ) -> pb.RealtimeOfferResponse:
        answer = await self._sessions.offer(
            request.session_id,
            request.offer_sdp.encode(),
            OfferAssertions(
                provider=request.provider, transport=request.transport, target=request.target
            ),
            current_call.get().caller,
        )
        return pb.RealtimeOfferResponse(answer_sdp=answer.decode())

    async def InvokeTool(
        self, request: pb.InvokeToolRequest, context: Context
    ) -> pb.InvokeToolResponse:
        asked = checked_timeout(
            convert.seconds(request.timeout), default=0.0, limits=self._sessions.limits
        )
        execution = await self._sessions.invoke_tool(
            request.session_id,
            tool=request.tool,
            target=request.target,
            input_=request.input,
            call_id=request.call_id,
            timeout=asked,
            request_id=request.request_id,
            caller=current_call.get().caller,
        )
        response = pb.InvokeToolResponse(
            execution_id=execution.execution_id,
            run_id=execution.run_id,
            workflow_id=execution.run_id,
            target=execution.target,
            status=convert.status(execution.status),
            kind=convert.kind(execution.kind),
        )
        convert.set_time(response.created_at, execution.created_at)
        return response

    async def GetSession(
        self, request: pb.GetSessionRequest, context: Context
    ) -> pb.GetSessionResponse:
        told = await self._sessions.get(request.session_id, current_call.get().caller)
        return pb.GetSessionResponse(
            session=convert_sessions.session(told.session, turns=told.turns, calls=told.calls)
        )

    async def ListSessions(
        self, request: pb.ListSessionsRequest, context: Context
    ) -> pb.ListSessionsResponse:
        node_id, name = split_target(request.target) if request.target else ("", "")
        page = await self._sessions.page(
            SessionFilter(
                node_id=node_id,
                name=name,
                state=convert_sessions.state_from(request.state) or "",
            ),
            current_call.get().caller,
            before_seq=read_seq(request.page_token),
            limit=page_size(request.page_size, default=20, most=100),
        )
        response = pb.ListSessionsResponse(next_page_token=token(page.next_seq))
        for session in page.sessions:
            convert_sessions.session(session, into=response.sessions.add())
        return response

    async def EndSession(
        self, request: pb.EndSessionRequest, context: Context
    ) -> pb.EndSessionResponse:
        session = await self._sessions.end(
            request.session_id,
            request.detail,
            current_call.get().caller,
            hangup=request.hangup,
            attempt=request.attempt,
        )
        return pb.EndSessionResponse(session=convert_sessions.session(session))

    async def DeleteSession(
        self, request: pb.DeleteSessionRequest, context: Context
    ) -> pb.DeleteSessionResponse:
        session = await self._sessions.delete(request.session_id, current_call.get().caller)
        return pb.DeleteSessionResponse(session=convert_sessions.session(session))

    async def WatchSession(
        self, request: pb.WatchSessionRequest, context: Context
    ) -> AsyncIterator[pb.WatchSessionResponse]:
        caller = current_call.get().caller
        events = self._sessions.watch(request.session_id, request.after_sequence, caller)
        async with aclosing(events):
            async for event in events:
                yield pb.WatchSessionResponse(event=convert_sessions.event(event))

    async def ListSessionWorkflows(
        self, request: pb.ListSessionWorkflowsRequest, context: Context
    ) -> pb.ListSessionWorkflowsResponse:
        caller = current_call.get().caller
        await self._sessions.visible(request.session_id, caller)
        summaries, next_seq = await self._workflows.of_session(
            request.session_id,
            before_seq=read_seq(request.page_token),
            limit=page_size(request.page_size, default=20, most=100),
        )
        return pb.ListSessionWorkflowsResponse(
            workflows=[convert.summary(summary) for summary in summaries],
            next_page_token=token(next_seq),
        )


def _started(started: Started) -> pb.StartSessionResponse:
    session, d = started.session, started.session.declaration
    query = {"model": d.model, "provider": d.provider, "target": session.target}
    query |= {"transport": d.transport, "voice": d.voice}
    base = f"{_INSTANCES}/{session.session_id}"
    response = pb.StartSessionResponse(
        session_id=session.session_id,
        target=session.target,
        provider=d.provider,
        transport=d.transport,
        model=d.model,
        voice=d.voice,
        modalities=d.modalities,
        tags=d.tags,
        tool_targets=session.tool_targets,
        offer_url=f"{base}/realtime-offer?{urlencode({k: v for k, v in query.items() if v})}",
        tool_url=f"{base}/tools/{{tool}}",
        state=convert_sessions.state(session.state),
        run_id=session.run_id,
        root_execution_id=session.root_execution_id,
        session_token=started.token,
        events_url=f"{base}/events",
    )
    if d.transport in WITH_DETECTION:
        given = with_defaults(d.turn_detection)
        convert_sessions.turn_detection(given, into=response.turn_detection)
    convert.set_time(response.created_at, session.created_at)
    convert.set_time(response.session_token_expires_at, started.token_expires_at)
    convert.set_time(response.connect_by, session.connect_by)
    return response
