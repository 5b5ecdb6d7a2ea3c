"""The least that a worker can be: it echoes, over the bare contract."""

from __future__ import annotations

__all__ = ["echoing", "register"]

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from agentfield.v1 import agent_service_pb2 as pb
from agentfield.v1 import execution_pb2
from agentfield.v1.agent_service_pb2_grpc import AgentServiceStub
from agentfield.v1.execution_service_pb2 import ReportExecutionRequest
from agentfield.v1.execution_service_pb2_grpc import ExecutionServiceStub
from agentfield.v1.node_service_pb2 import Function, RegisterNodeRequest
from agentfield.v1.node_service_pb2_grpc import NodeServiceStub
from bench.servers import connected

MAX_EXECUTIONS = 256


async def register(channel: grpc.aio.Channel, node_id: str) -> str:
    """Declare a node with the skill ``echo``; return the registration's id."""
    echo = Function(name="echo", kind=execution_pb2.FUNCTION_KIND_SKILL)
    request = RegisterNodeRequest(node_id=node_id, instance_id="bench", functions=[echo])
    return (await NodeServiceStub(channel).RegisterNode(request)).registration_id


@asynccontextmanager
async def echoing(server: str, node_id: str) -> AsyncIterator[None]:
    """Work for a node, on a connection of its own, while the block runs."""
    async with connected(server) as channel:
        worker = _Worker(channel, await register(channel, node_id))
        async with asyncio.TaskGroup() as tasks:
            work = tasks.create_task(worker.run())
            await worker.welcome.wait()
            yield
            work.cancel()


class _Worker:
    def __init__(self, channel: grpc.aio.Channel, registration_id: str) -> None:
        self._agents = AgentServiceStub(channel)
        self._executions = ExecutionServiceStub(channel)
        self._registration_id = registration_id
        self._outgoing: asyncio.Queue[pb.WorkRequest] = asyncio.Queue(4 * MAX_EXECUTIONS)
        self.welcome = asyncio.Event()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            async for message in self._agents.Work(self._requests()):
                if message.HasField("execute"):
                    tasks.create_task(self._echo(message.execute))
                else:
                    self.welcome.set()

    async def _requests(self) -> AsyncIterator[pb.WorkRequest]:
        yield pb.WorkRequest(
            hello=pb.Hello(registration_id=self._registration_id, max_executions=MAX_EXECUTIONS)
        )
        while True:
            yield await self._outgoing.get()

    async def _echo(self, execute: pb.Execute) -> None:
        accepted = pb.Accepted(execution_id=execute.execution_id, attempt=execute.attempt)
        await self._outgoing.put(pb.WorkRequest(accepted=accepted))
        report = ReportExecutionRequest(
            execution_id=execute.execution_id,
            attempt=execute.attempt,
            status=execution_pb2.EXECUTION_STATUS_SUCCEEDED,
            result=execute.input,
        )
        await self._executions.ReportExecution(report)
        await self._outgoing.put(pb.WorkRequest(credit=pb.Credit(executions=1)))
