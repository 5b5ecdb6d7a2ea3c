"""One channel to a control plane."""

from __future__ import annotations

__all__ = ["Connection"]

import asyncio
import os
import uuid
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import grpc

from agentfield.contract.status import error_from_rpc
from agentfield.process.channels import ClientTls, check_address, open_channel
from agentfield.process.flags import ConfigError
from agentfield.v1.agent_service_pb2 import (
    InterruptRequest,
    RespondRequest,
    SayRequest,
    UpdateSessionRequest,
)
from agentfield.v1.agent_service_pb2_grpc import AgentServiceStub
from agentfield.v1.errors import InvalidArgument
from agentfield.v1.execution_service_pb2 import ExecuteAsyncRequest, ExecuteRequest
from agentfield.v1.execution_service_pb2_grpc import ExecutionServiceStub
from agentfield.v1.node_service_pb2_grpc import NodeServiceStub
from agentfield.v1.server_service_pb2_grpc import ServerServiceStub
from agentfield.v1.session_service_pb2 import InvokeToolRequest, StartSessionRequest
from agentfield.v1.session_service_pb2_grpc import SessionServiceStub
from agentfield.v1.workflow_service_pb2_grpc import WorkflowServiceStub
from agentfield_sdk.backoff import Patience
from agentfield_sdk.context import ambient_metadata

if TYPE_CHECKING:  # these names exist for type checkers only
    from agentfield.v1.agent_service_pb2_grpc import AgentServiceAsyncStub
    from agentfield.v1.execution_service_pb2_grpc import ExecutionServiceAsyncStub
    from agentfield.v1.node_service_pb2_grpc import NodeServiceAsyncStub
    from agentfield.v1.server_service_pb2_grpc import ServerServiceAsyncStub
    from agentfield.v1.session_service_pb2_grpc import SessionServiceAsyncStub
    from agentfield.v1.workflow_service_pb2_grpc import WorkflowServiceAsyncStub

Q = TypeVar("Q")
R = TypeVar("R")

DEFAULT_SERVER = "localhost:8180"
RETRY_SECONDS = 30.0
# An attempt that lasted this long had reached the server: connecting takes less.
_REACHED_SECONDS = 10.0

_IDENTIFIED = (
    ExecuteRequest,
    ExecuteAsyncRequest,
    StartSessionRequest,
    InvokeToolRequest,
    SayRequest,
    RespondRequest,
    InterruptRequest,
    UpdateSessionRequest,
)

_CHANNEL_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Left alone, a channel waits up to two minutes before it tries again.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.min_reconnect_backoff_ms", 5_000),
)


class Connection:
    """A channel with credentials, the current execution's metadata, retries and typed errors.

    ``server`` is ``host:port``, or ``grpcs://host:port`` for TLS (else AGENTFIELD_GRPC, else
    localhost:8180), ``api_key`` the key to show (else AGENTFIELD_API_KEY); a session's token may
    stand in its place for that session, a start token for starts of its target. Servers that share a database may be several:
    ``ip:port,ip:port``, or a name with several addresses; the first that answers is used, until it
    is lost. Over TLS, AGENTFIELD_TLS_CA is the file of the CA that the
    server's certificate is of, if not a public one; AGENTFIELD_CLIENT_CERT and
    AGENTFIELD_CLIENT_KEY are what a server is shown that asks for a certificate. Use it as an async
    context manager; it connects on first use.
    """

    def __init__(self, server: str | None = None, *, api_key: str | None = None) -> None:
        self.address = server or os.environ.get("AGENTFIELD_GRPC") or DEFAULT_SERVER
        with _as_invalid():
            check_address(self.address)
        self._api_key = api_key or os.environ.get("AGENTFIELD_API_KEY") or ""
        self._channel: grpc.aio.Channel | None = None

    async def __aenter__(self) -> Self:
        tls = ClientTls.of(os.environ)
        with _as_invalid():
            self._channel = open_channel(self.address, options=_CHANNEL_OPTIONS, tls=tls)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._open_channel.close()

    @cached_property
    def executions(self) -> ExecutionServiceAsyncStub:
        return ExecutionServiceStub(self._open_channel)

    @cached_property
    def workflows(self) -> WorkflowServiceAsyncStub:
        return WorkflowServiceStub(self._open_channel)

    @cached_property
    def nodes(self) -> NodeServiceAsyncStub:
        return NodeServiceStub(self._open_channel)

    @cached_property
    def agents(self) -> AgentServiceAsyncStub:
        return AgentServiceStub(self._open_channel)

    @cached_property
    def sessions(self) -> SessionServiceAsyncStub:
        return SessionServiceStub(self._open_channel)

    @cached_property
    def server(self) -> ServerServiceAsyncStub:
        return ServerServiceStub(self._open_channel)

    @property
    def _open_channel(self) -> grpc.aio.Channel:
        if self._channel is None:
            raise RuntimeError("Not connected: use `async with` around what talks to the server.")
        return self._channel

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return what goes with every call: the key, and the current execution."""
        if not self._api_key:
            return ambient_metadata()
        return (("authorization", f"Bearer {self._api_key}"), *ambient_metadata())

    async def call(
        self,
        rpc: grpc.aio.UnaryUnaryMultiCallable[Q, R],
        request: Q,
        *,
        timeout: float | None = None,
        retry_for: float = RETRY_SECONDS,
        metadata: tuple[tuple[str, str], ...] = (),
    ) -> R:
        """Call an rpc, again while it fails in a way that may pass.

        Repeating is safe: a request that can carry a request_id gets one if it has none.
        ``metadata`` is added to what goes with every call; of a repeated key the last one counts.
        ``timeout`` bounds the whole call; ``retry_for`` how long an outage may last. Raises the
        class of ``agentfield.v1.errors`` that says why it failed.
        """
        request = _repeatable(request)
        metadata = self.metadata() + metadata
        clock = asyncio.get_running_loop().time
        patience = Patience(retry_for)
        ends_at = float("inf") if timeout is None else clock() + timeout
        while True:
            began_at = clock()
            left = None if timeout is None else max(0.0, ends_at - began_at)
            try:
                return await rpc(request, timeout=left, metadata=metadata)
            except grpc.aio.AioRpcError as failure:
                error = error_from_rpc(failure)
            if clock() - began_at > _REACHED_SECONDS:
                patience.renew()
            await patience.wait(error, until=ends_at)

    async def stream(
        self, rpc: grpc.aio.UnaryStreamMultiCallable[Q, R], request: Q
    ) -> AsyncGenerator[R, None]:
        """Yield what an rpc sends. Raises like ``call``, and does not try again."""
        call = rpc(request, metadata=self.metadata())
        try:
            async for response in call:
                yield response
        except grpc.aio.AioRpcError as failure:
            raise error_from_rpc(failure) from None
        finally:
            call.cancel()


@contextmanager
def _as_invalid() -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        raise InvalidArgument(str(error)) from None


def _repeatable(request: Q) -> Q:
    if not isinstance(request, _IDENTIFIED) or request.request_id:
        return request
    # The caller may send its own message again and mean another request.
    filled: Any = type(request)()
    filled.CopyFrom(request)
    filled.request_id = uuid.uuid4().hex
    return cast("Q", filled)
