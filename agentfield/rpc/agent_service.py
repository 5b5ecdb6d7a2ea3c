"""AgentService: the stream between the control plane and one worker.

One task writes to the stream and one reads from it; neither waits for the other.
"""

from __future__ import annotations

__all__ = ["AgentService"]

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import assert_never

import grpc

from agentfield.config import Config
from agentfield.dispatch.dispatcher import Dispatcher
from agentfield.dispatch.link import (
    Down,
    Drained,
    Handling,
    Link,
    Run,
    StartHandler,
    Stop,
    Welcome,
)
from agentfield.executions import observing
from agentfield.executions.model import Execution
from agentfield.executions.work import Running
from agentfield.live.agents import AgentSide
from agentfield.rpc import convert
from agentfield.rpc.call import Context, current_call
from agentfield.rpc.handler_rpcs import HandlerRpcs
from agentfield.sessions.ports import HandlerStart
from agentfield.v1 import agent_service_pb2 as pb
from agentfield.v1 import agent_service_pb2_grpc, errors

HELLO_SECONDS = 10.0
MAX_EXECUTIONS = 10_000
MAX_SESSIONS = 10_000


class AgentService(HandlerRpcs, agent_service_pb2_grpc.AgentServiceServicer):
    """The servicer of AgentService."""

    def __init__(self, dispatcher: Dispatcher, sessions: AgentSide, config: Config) -> None:
        super().__init__(sessions)
        self._dispatcher = dispatcher
        self._config = config

    async def Work(  # type: ignore[override] # grpc.aio also takes a coroutine that writes
        self, requests: AsyncIterator[pb.WorkRequest], context: Context
    ) -> None:
        hello = await _hello(requests)
        link = await self._dispatcher.connect(
            hello.registration_id,
            max_executions=hello.max_executions,
            running=[_running(one) for one in hello.running],
            caller=current_call.get().caller,
            max_sessions=hello.max_sessions,
            handlers=[
                Handling(session_id=one.session_id, attempt=one.attempt) for one in hello.handlers
            ],
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                reader = tasks.create_task(self._read(requests, link), name="work-read")
                await self._write(link, context)
                reader.cancel()
        finally:
            self._dispatcher.leave(link)

    async def _write(self, link: Link, context: Context) -> None:
        with suppress(grpc.aio.InternalError):  # the peer is gone
            while (message := await link.next()) is not None:
                await context.write(self._message(message))

    async def _read(self, requests: AsyncIterator[pb.WorkRequest], link: Link) -> None:
        # The iterator also ends when the peer is gone; only Goodbye is a goodbye.
        async for request in requests:
            match request.WhichOneof("message"):
                case "accepted":
                    self._dispatcher.accepted(link, _running(request.accepted))
                case "credit":
                    self._dispatcher.credit(link, request.credit.executions)
                case "drain":
                    await self._dispatcher.drain(link)
                case "goodbye":
                    link.close(for_good=True)
                    return
                case _:
                    pass  # an arm of a newer contract
        link.close()

    def _message(self, message: Down) -> pb.WorkResponse:
        match message:
            case Welcome():
                welcome = pb.Welcome(max_payload_bytes=self._config.limits.max_payload_bytes)
                welcome.grace.FromMilliseconds(int(self._config.agent_grace * 1000))
                return pb.WorkResponse(welcome=welcome)
            case Run(execution):
                return pb.WorkResponse(execute=_execute(execution))
            case Stop(running):
                return pb.WorkResponse(
                    cancel=pb.Cancel(execution_id=running.execution_id, attempt=running.attempt)
                )
            case StartHandler(start):
                return pb.WorkResponse(start_handler=_start_handler(start))
            case Drained():
                return pb.WorkResponse(drain=pb.Drain())
            case _:
                assert_never(message)


async def _hello(requests: AsyncIterator[pb.WorkRequest]) -> pb.Hello:
    try:
        async with asyncio.timeout(HELLO_SECONDS):
            first = await anext(requests, None)
    except TimeoutError:
        first = None
    if first is None or first.WhichOneof("message") != "hello":
        raise errors.InvalidArgument("The first message of Work must be Hello, and come at once.")
    if not 1 <= first.hello.max_executions <= MAX_EXECUTIONS:
        raise errors.InvalidArgument(
            f"A worker's max_executions is between 1 and {MAX_EXECUTIONS}.",
            metadata={"field": "max_executions"},
        )
    if not 0 <= first.hello.max_sessions <= MAX_SESSIONS:
        raise errors.InvalidArgument(
            f"A worker's max_sessions is between 0 and {MAX_SESSIONS}.",
            metadata={"field": "max_sessions"},
        )
    return first.hello


def _running(one: pb.RunningExecution | pb.Accepted) -> Running:
    return Running(execution_id=one.execution_id, attempt=one.attempt)


def _execute(execution: Execution) -> pb.Execute:
    message = pb.Execute(
        execution_id=execution.execution_id,
        attempt=execution.attempt,
        function=execution.function,
        input=execution.input or b"{}",
        run_id=execution.run_id,
        parent_execution_id=execution.parent_execution_id or "",
        session_id=execution.session_id or "",
        actor_id=execution.actor_id,
        traceparent=observing.inside(execution),
    )
    convert.set_time(message.expires_at, execution.expires_at)
    return message


def _start_handler(start: HandlerStart) -> pb.StartHandler:
    return pb.StartHandler(
        session_id=start.session_id,
        attempt=start.attempt,
        name=start.name,
        root_execution_id=start.root_execution_id,
        run_id=start.run_id,
        actor_id=start.actor_id,
        traceparent=start.traceparent,
    )
