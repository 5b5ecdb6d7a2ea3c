"""Calls from this very process, through the same interceptors and servicers, without a socket."""

from __future__ import annotations

__all__ = ["LocalTransport"]

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Any, NoReturn

import grpc
from google.protobuf.message import Message
from google.rpc import status_pb2

from agentfield.contract.facts import PEER_KEY
from agentfield.contract.status import DETAILS_KEY, error_from_status
from agentfield.rpc.interceptors import Around
from agentfield.rpc.server import Service
from agentfield.v1 import errors

Metadata = Sequence[tuple[str, str]]
Handler = Callable[[Any, Any], Any]


class _Aborted(grpc.aio.AbortError):
    """A servicer or an interceptor has ended the call with a status."""

    def __init__(self, status: status_pb2.Status) -> None:
        super().__init__(status.message)
        self.status = status


class _Context:
    """As much of grpc.aio.ServicerContext as interceptors and unary servicers use."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = tuple(metadata)

    def invocation_metadata(self) -> Metadata:
        return self._metadata

    def peer(self) -> str:
        return f"gateway:{dict(self._metadata).get(PEER_KEY, '')}:0"

    async def abort(
        self,
        code: grpc.StatusCode,
        details: str = "",
        trailing_metadata: Iterable[tuple[str, str | bytes]] = (),
    ) -> NoReturn:
        for key, value in trailing_metadata:
            if key == DETAILS_KEY and isinstance(value, bytes):
                raise _Aborted(status_pb2.Status.FromString(value))
        raise _Aborted(status_pb2.Status(code=code.value[0], message=details))


class LocalTransport:
    """The gateway's way to a control plane in the same process."""

    def __init__(self, services: Sequence[Service], chain: Sequence[Around]) -> None:
        self._handlers = {
            f"/{service.descriptor.full_name}/{method.name}": _chained(
                getattr(service.servicer, method.name),
                chain,
                f"/{service.descriptor.full_name}/{method.name}",
                stream=method.server_streaming,
            )
            for service in services
            for method in service.descriptor.methods
            if not method.client_streaming
        }

    async def unary(
        self, method: str, request: Message, *, metadata: Metadata, timeout: float | None = None
    ) -> Message:
        """Call a unary rpc. Raises the error it fails with."""
        try:
            async with asyncio.timeout(timeout):
                answer: Message = await self._handlers[method](request, _Context(metadata))
        except _Aborted as aborted:
            raise error_from_status(aborted.status) from None
        except TimeoutError:
            raise errors.DeadlineExceeded(f"{method} took longer than {timeout} s.") from None
        return answer

    async def stream(
        self, method: str, request: Message, *, metadata: Metadata
    ) -> AsyncGenerator[Message, None]:
        """Call a server-streaming rpc. Raises the error it fails with."""
        try:
            async with aclosing(self._handlers[method](request, _Context(metadata))) as messages:
                async for message in messages:
                    yield message
        except _Aborted as aborted:
            raise error_from_status(aborted.status) from None


def _chained(handler: Handler, chain: Sequence[Around], method: str, *, stream: bool) -> Handler:
    for interceptor in reversed(chain):
        handler = (_around_stream if stream else _around)(interceptor, handler, method)
    return handler


def _around(interceptor: Around, inner: Handler, method: str) -> Handler:
    async def call(request: Any, context: Any) -> Any:
        return await interceptor.intercept(inner, request, context, method)

    return call


def _around_stream(interceptor: Around, inner: Handler, method: str) -> Handler:
    async def call(request: Any, context: Any) -> AsyncGenerator[Any, None]:
        async with aclosing(
            await interceptor.intercept(inner, request, context, method)
        ) as messages:
            async for message in messages:
                yield message

    return call
