"""What commands do to a session that runs here, whoever sent them and from wherever."""

from __future__ import annotations

__all__ = ["Acts"]

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from agentfield.live.orders import Order
from agentfield.live.outliving import Outliving
from agentfield.live.session import LiveSession
from agentfield.sessions import commands as c
from agentfield.sessions.model import EndReason, Tool, session_ended
from agentfield.sessions.offers import checked_offer
from agentfield.sessions.tools import resolve_tools
from agentfield.v1 import errors

Act = Callable[[float], Sequence[Order]]


class Acts:
    """Does commands."""

    def __init__(self, lasting: Outliving) -> None:
        self._lasting = lasting

    async def do(self, session: LiveSession, command: c.Command) -> Any:
        """Do a command and return its result. Raises what forbids it."""
        match command:
            case c.TakeOffer():
                return await _offer(session, command)
            case c.InvokeTool():
                return await self._invoke(session, command)
            case c.EndSession():
                return await _end(session, command)
            case c.Say() | c.Respond() | c.Interrupt() | c.UpdateSession():
                return await _command(session, command)
            case c.ReportHandler():
                return await _report(session, command)
            case c.PlaceHandler():
                raise errors.Internal("A handler is placed by a replica, not in a session.")

    async def _invoke(self, session: LiveSession, command: c.InvokeTool) -> str:
        if session.value.is_over:
            raise session_ended(session.value)
        if command.call_id:
            return await session.tools.received(command.call_id)
        try:
            allowed = session.tools.allowed(command.tool, command.target)
        except errors.ToolNotAllowed as error:
            refusal, name = error, command.target or command.tool
            await session.perform(lambda _: session.tools.refused(name, refusal))
            raise
        invoking = session.tools.invoke(
            allowed, command.input, timeout=command.timeout, request_id=command.request_id
        )
        execution = await self._lasting.finish(invoking)
        return execution.execution_id


async def _offer(session: LiveSession, command: c.TakeOffer) -> bytes:
    checked_offer(command.sdp, command.asserted, session.value, session.provider)
    answer = session.owe()
    await session.post(partial(session.calls.offer, command.sdp, answer))
    answer_sdp: bytes = await answer
    return answer_sdp


async def _end(session: LiveSession, command: c.EndSession) -> None:
    if command.attempt:
        session.handler.check(command.attempt)
    with suppress(errors.SessionEnded):  # somebody else was quicker
        reason = EndReason(command.reason)
        await session.perform(session.end_because(reason, command.detail))


async def _command(
    session: LiveSession, command: c.Say | c.Respond | c.Interrupt | c.UpdateSession
) -> Any:
    """Have a handler's command taken: its kind and request_id tell which of its attempt's it is."""
    session.handler.check(command.attempt)
    if session.value.is_over:
        raise session_ended(session.value)
    command_id, act = await _act(session, command)

    def step(now: float) -> Sequence[Order]:
        return session.handler.commanded(command_id, command.attempt, act, now)

    return await session.command(command_id, step)


async def _act(
    session: LiveSession, command: c.Say | c.Respond | c.Interrupt | c.UpdateSession
) -> tuple[str, Act]:
    """Return a command's id within its session, and what it does."""
    attempt, conversation = command.attempt, session.conversation
    match command:
        case c.Say(text=text, metadata=metadata):
            _check_cuts(session, command)
            command_id = f"{attempt} say {command.request_id}"
            return command_id, lambda now: conversation.say(
                command_id, text, now, attempt=attempt, metadata=metadata
            )
        case c.Respond(instructions=instructions):
            command_id = f"{attempt} respond {command.request_id}"
            return command_id, lambda now: conversation.respond(
                command_id, instructions or None, now, attempt=attempt
            )
        case c.Interrupt():
            command_id = f"{attempt} interrupt {command.request_id}"
            return command_id, partial(conversation.interrupt, command_id)
        case c.UpdateSession(instructions=given, tools=names):
            command_id = f"{attempt} update {command.request_id}"
            tools = None if names is None else await _resolve(session, names)
            return command_id, partial(session.handler.update, command_id, given, tools)


def _check_cuts(session: LiveSession, command: c.Say) -> None:
    if command.uninterruptible and not session.provider.capabilities.uninterruptible_speech:
        raise errors.Unsupported(
            f"Provider '{session.provider.name}' cannot keep the user from cutting speech; "
            "say it interruptible.",
            metadata={"provider": session.provider.name},
        )


async def _resolve(session: LiveSession, tools: Sequence[str]) -> tuple[Tool, ...]:
    node_id = session.value.node_id
    targets = [target for tool in tools for target in (tool, f"{node_id}.{tool}")]
    return resolve_tools(node_id, tools, await session.shared.store.functions(targets))


async def _report(session: LiveSession, command: c.ReportHandler) -> None:
    handler, attempt = session.handler, command.attempt
    match c.HandlerOutcome(command.outcome):
        case c.HandlerOutcome.RETURNED:
            await session.perform(partial(handler.returned, attempt))
        case c.HandlerOutcome.FAILED:
            await session.perform(partial(handler.failed, attempt, command.error))
        case c.HandlerOutcome.LOST:
            await session.perform(partial(handler.lost, attempt, "its worker left"))
