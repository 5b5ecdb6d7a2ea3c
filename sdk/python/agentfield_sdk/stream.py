"""One connection of a worker: what it says is queued, and one task writes it."""

from __future__ import annotations

__all__ = ["WorkStream"]

import asyncio

import grpc

from agentfield.contract.status import error_from_rpc
from agentfield.v1 import errors
from agentfield.v1.agent_service_pb2 import WorkRequest, WorkResponse

WorkCall = grpc.aio.StreamStreamCall[WorkRequest, WorkResponse]

MAX_OUTBOX = 100_000
"""Far above what credit allows; a server that does not read for so long is lost."""


class WorkStream:
    """The worker's end of one Work rpc."""

    def __init__(self, call: WorkCall, *, max_outbox: int = MAX_OUTBOX) -> None:
        self._call = call
        self._outbox: asyncio.Queue[WorkRequest | None] = asyncio.Queue(max_outbox)
        self.drained = False
        """The server has promised to send no more executions."""

    def say(self, message: WorkRequest | None) -> None:
        """Queue a message without waiting; None ends this side of the stream."""
        try:
            self._outbox.put_nowait(message)
        except asyncio.QueueFull:
            self.close()

    def close(self) -> None:
        """Break the stream off."""
        self._call.cancel()

    async def write(self) -> None:
        """Write what is said until this side ends or the stream is broken."""
        try:
            while (message := await self._outbox.get()) is not None:
                await self._call.write(message)
            await self._call.done_writing()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return  # whoever hears is told why

    async def hear(self) -> WorkResponse | None:
        """Return what the server says next, None when it has ended the stream.

        Raises what the stream failed with.
        """
        try:
            message = await self._call.read()
        except grpc.aio.AioRpcError as failure:
            raise error_from_rpc(failure) from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise errors.ServerUnreachable("The stream was broken off.") from None
        return message if isinstance(message, WorkResponse) else None
