"""One attempt of a handler: it leads the conversation that a stream of events tells of."""

from __future__ import annotations

__all__ = ["Report", "lead", "report_of"]

import asyncio
import logging
from contextlib import aclosing

from agentfield.process.groups import sole_error
from agentfield.v1 import agent_service_pb2 as pb
from agentfield.v1 import errors
from agentfield_sdk.backoff import Backoff
from agentfield_sdk.connection import Connection
from agentfield_sdk.context import ExecutionContext, entered, running
from agentfield_sdk.conversation import Conversation
from agentfield_sdk.failures import facts_of, limited, text_of
from agentfield_sdk.realtime import RealtimeSession
from agentfield_sdk.session_declaration import Handler

log = logging.getLogger("agentfield.worker")

Report = pb.ReportHandlerRequest

_GONE = (errors.HandlerSuperseded, errors.SessionNotFound, errors.PermissionDenied)
_ENDED = (errors.SessionEnded, asyncio.CancelledError)
"""A handler that lets these escape has returned."""


async def lead(connection: Connection, start: pb.StartHandler, handler: Handler) -> Report | None:
    """Run a handler to its end, whatever it does, and return the report of it.

    None: the session is another attempt's, or gone. Only a cancellation of this task and Ctrl-C
    pass through.
    """
    conversation = Conversation()
    report: Report | None = None
    try:
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(_follow(connection, start, conversation))
            session = RealtimeSession(
                connection,
                session=await conversation.begin(),
                context=_context(start),
                conversation=conversation,
            )
            leading = tasks.create_task(_outcome(handler, session, start))
            await asyncio.wait({leading, following}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({leading}, timeout=conversation.grace)
            leading.cancel()
            await asyncio.wait({leading})
            report = leading.result()
            following.cancel()
    except* _GONE as gone:
        facts = {"session_id": start.session_id, "attempt": start.attempt}
        log.info("not leading the session", extra=facts | {"type": type(sole_error(gone)).__name__})
        report = None
    except* Exception as broken:  # noqa: BLE001 - whatever it is, other sessions go on
        cause = sole_error(broken)
        names = {"session_id": start.session_id, "session": start.name}
        log.warning("could not follow the session", extra=names | facts_of(cause))
        report = report_of(start, pb.HANDLER_OUTCOME_FAILED, "its events could not be read")
    return report


def report_of(
    start: pb.StartHandler, outcome: pb.HandlerOutcome.ValueType, error: str = ""
) -> Report:
    """Return the report of an attempt."""
    return Report(
        session_id=start.session_id, attempt=start.attempt, outcome=outcome, error=limited(error)
    )


async def _outcome(
    handler: Handler, session: RealtimeSession, start: pb.StartHandler
) -> Report | None:
    try:
        context = _context(start)
        with entered(context), running("session.handler", context):
            await handler(session)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001 - it is what is reported
        cause = sole_error(error)
        if isinstance(cause, errors.HandlerSuperseded):
            return None
        if not _is_end(error):
            names = {"session_id": start.session_id, "session": start.name}
            log.warning("handler raised", extra=names | facts_of(cause))
            return report_of(start, pb.HANDLER_OUTCOME_FAILED, text_of(cause))
    return report_of(start, pb.HANDLER_OUTCOME_RETURNED)


def _is_end(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        _, rest = error.split(_ENDED)
        return rest is None
    return isinstance(error, _ENDED)


async def _follow(
    connection: Connection, start: pb.StartHandler, conversation: Conversation
) -> None:
    """Feed the conversation until the session has ended, over lost connections."""
    backoff = Backoff()
    while not conversation.ended:
        wait, reason, seen = 0.0, "ENDED", conversation.cursor
        try:
            await _listen(connection, start, conversation)
        except _GONE:
            raise
        except errors.AgentFieldError as error:
            wait, reason = error.retry_after or 0.0, error.reason
        if not conversation.ended:
            facts = {"session_id": start.session_id, "reason": reason}
            log.warning("session not followed, trying again", extra=facts)
            if conversation.cursor > seen:
                backoff.reset()
            await asyncio.sleep(max(wait, backoff.next()))


async def _listen(
    connection: Connection, start: pb.StartHandler, conversation: Conversation
) -> None:
    request = pb.HandleSessionRequest(
        session_id=start.session_id,
        attempt=start.attempt,
        after_sequence=conversation.cursor,
    )
    rpc = connection.agents.HandleSession
    async with aclosing(connection.stream(rpc, request)) as responses:
        async for response in responses:
            match response.WhichOneof("message"):
                case "opened":
                    conversation.open(response.opened)
                case "event":
                    conversation.hear(response.event)
                case _:
                    pass  # an arm of a newer contract
            if conversation.ended:
                return
    conversation.stream_over()


def _context(start: pb.StartHandler) -> ExecutionContext:
    return ExecutionContext(
        execution_id=start.root_execution_id,
        run_id=start.run_id,
        function=start.name,
        attempt=start.attempt,
        session_id=start.session_id,
        actor_id=start.actor_id,
        traceparent=start.traceparent,
    )
