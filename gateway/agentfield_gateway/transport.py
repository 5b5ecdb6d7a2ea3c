"""The way from the gateway to a control plane."""

from __future__ import annotations

__all__ = ["GrpcTransport", "Metadata", "Transport", "connect"]

from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2

from agentfield.contract.facts import SERVICES
from agentfield.contract.status import error_from_rpc
from agentfield.process.channels import ClientTls, open_channel

Metadata = Sequence[tuple[str, str]]

_OPTIONS = [
    # The control plane decides what is too large, and says so in words.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # A control plane that is back is found within seconds.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # One that is dead without a word is noticed within seconds.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
]


class Transport(Protocol):
    """Calls rpcs by their path, for instance ``/agentfield.v1.ExecutionService/Execute``.

    Knows the contract's rpcs and ``grpc.health.v1.Health``. What fails, fails with a class of
    ``agentfield.v1.errors``. Whoever is cancelled while waiting gives the call up.
    """

    async def unary(
        self, method: str, request: Message, *, metadata: Metadata, timeout: float | None = None
    ) -> Message:
        """Call a unary rpc; without a timeout wait as long as the control plane does."""
        ...

    def stream(
        self, method: str, request: Message, *, metadata: Metadata
    ) -> AsyncIterator[Message]:
        """Call a server-streaming rpc."""
        ...


def connect(address: str, tls: ClientTls) -> grpc.aio.Channel:
    """Return a channel to a control plane. It connects when it is used, and again when it must.

    Raises ConfigError like ``open_channel``.
    """
    return open_channel(address, options=_OPTIONS, tls=tls)


class GrpcTransport:
    """The way to a control plane anywhere, over a channel from ``connect``."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        services = (*SERVICES, health_pb2.DESCRIPTOR.services_by_name["Health"])
        self._calls = {
            f"/{service.full_name}/{method.name}": _call(channel, method)
            for service in services
            for method in service.methods
            if not method.client_streaming
        }

    async def unary(
        self, method: str, request: Message, *, metadata: Metadata, timeout: float | None = None
    ) -> Message:
        """Call a unary rpc. Raises the error it fails with."""
        call = self._calls[method](request, metadata=tuple(metadata), timeout=timeout)
        try:
            answer: Message = await call
        except grpc.aio.AioRpcError as error:
            raise error_from_rpc(error) from None
        return answer

    async def stream(
        self, method: str, request: Message, *, metadata: Metadata
    ) -> AsyncIterator[Message]:
        """Call a server-streaming rpc. Raises the error it fails with."""
        call = self._calls[method](request, metadata=tuple(metadata))
        try:
            async for message in call:
                yield message
        except grpc.aio.AioRpcError as error:
            raise error_from_rpc(error) from None
        finally:
            call.cancel()


def _call(channel: grpc.aio.Channel, method: MethodDescriptor) -> Any:
    kind = channel.unary_stream if method.server_streaming else channel.unary_unary
    return kind(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=GetMessageClass(method.input_type).SerializeToString,
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
