"""The rpcs of AgentService that handlers of sessions call: convert, call, convert."""

from __future__ import annotations

__all__ = ["HandlerRpcs"]

from collections.abc import AsyncIterator
from contextlib import aclosing

from agentfield.live.agents import AgentSide
from agentfield.rpc import convert_sessions
from agentfield.rpc.call import Context, current_call
from agentfield.sessions.effects import Spoken
from agentfield.sessions.model import Session
from agentfield.v1 import agent_service_pb2 as pb
from agentfield.v1 import errors, session_pb2


class HandlerRpcs:
    """A part of the servicer of AgentService."""

    def __init__(self, sessions: AgentSide) -> None:
        self._sessions = sessions

    async def HandleSession(
        self, request: pb.HandleSessionRequest, context: Context
    ) -> AsyncIterator[pb.HandleSessionResponse]:
        caller = current_call.get().caller
        heard = self._sessions.handle(
            request.session_id, request.attempt, request.after_sequence, caller
        )
        async with aclosing(heard):
            async for one in heard:
                if isinstance(one, Session):
                    yield pb.HandleSessionResponse(opened=_opened(one))
                else:
                    yield pb.HandleSessionResponse(event=convert_sessions.event(one))

    async def Say(self, request: pb.SayRequest, context: Context) -> pb.SayResponse:
        spoken = await self._sessions.say(
            request.session_id,
            request.attempt,
            request.request_id,
            request.text,
            uninterruptible=request.uninterruptible,
            metadata=request.metadata,
            caller=current_call.get().caller,
        )
        return pb.SayResponse(
            text=spoken.text,
            spoken_text=spoken.spoken_text,
            verbatim=spoken.verbatim,
            heard_text=spoken.heard_text,
            heard_ms=spoken.heard_ms,
            estimated=spoken.estimated,
            outcome=_outcome(spoken),
        )

    async def Respond(self, request: pb.RespondRequest, context: Context) -> pb.RespondResponse:
        spoken = await self._sessions.respond(
            request.session_id,
            request.attempt,
            request.request_id,
            request.instructions,
            current_call.get().caller,
        )
        response = pb.RespondResponse(outcome=_outcome(spoken))
        if spoken.turn is not None:
            convert_sessions.turn(spoken.turn, into=response.turn)
        return response

    async def Interrupt(
        self, request: pb.InterruptRequest, context: Context
    ) -> pb.InterruptResponse:
        interrupted = await self._sessions.interrupt(
            request.session_id,
            request.attempt,
            request.request_id,
            current_call.get().caller,
        )
        return pb.InterruptResponse(interrupted=interrupted)

    async def UpdateSession(
        self, request: pb.UpdateSessionRequest, context: Context
    ) -> pb.UpdateSessionResponse:
        updated = await self._sessions.update(
            request.session_id,
            request.attempt,
            request.request_id,
            instructions=request.instructions if request.HasField("instructions") else None,
            tools=list(request.tools.tools) if request.HasField("tools") else None,
            caller=current_call.get().caller,
        )
        return pb.UpdateSessionResponse(tool_targets=updated.tool_targets)

    async def ReportHandler(
        self, request: pb.ReportHandlerRequest, context: Context
    ) -> pb.ReportHandlerResponse:
        caller, sessions = current_call.get().caller, self._sessions
        of = (request.session_id, request.attempt)
        if request.outcome == pb.HANDLER_OUTCOME_RETURNED:
            await sessions.returned(*of, caller)
        elif request.outcome == pb.HANDLER_OUTCOME_FAILED:
            await sessions.failed(*of, request.error, caller)
        elif request.outcome == pb.HANDLER_OUTCOME_LOST:
            await sessions.lost(*of, caller)
        else:
            raise errors.InvalidArgument(
                "A handler's outcome is returned, failed or lost.", metadata={"field": "outcome"}
            )
        return pb.ReportHandlerResponse()


def _opened(session: Session) -> pb.HandlerOpened:
    opened = pb.HandlerOpened(session=convert_sessions.session(session))
    grace = session.declaration.limits.handler_grace
    opened.handler_grace.FromMilliseconds(round(grace * 1000))
    return opened


def _outcome(spoken: Spoken) -> session_pb2.SpeechOutcome.ValueType:
    return session_pb2.SpeechOutcome.Value(f"SPEECH_OUTCOME_{spoken.outcome.upper()}")
