"""Facts that the contract declares as options: its rpcs, who may call them, and the matrix."""

from __future__ import annotations

__all__ = ["BEGINS_WORK", "PEER_KEY", "SERVICES", "TOKENS", "Method", "Pair", "methods", "pairs"]

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from agentfield.v1 import (
    agent_service_pb2,
    execution_service_pb2,
    journal_service_pb2,
    node_service_pb2,
    options_pb2,
    provider_pb2,
    server_service_pb2,
    session_service_pb2,
    workflow_service_pb2,
)

SERVICES: tuple[ServiceDescriptor, ...] = (
    session_service_pb2.DESCRIPTOR.services_by_name["SessionService"],
    execution_service_pb2.DESCRIPTOR.services_by_name["ExecutionService"],
    journal_service_pb2.DESCRIPTOR.services_by_name["JournalService"],
    workflow_service_pb2.DESCRIPTOR.services_by_name["WorkflowService"],
    node_service_pb2.DESCRIPTOR.services_by_name["NodeService"],
    agent_service_pb2.DESCRIPTOR.services_by_name["AgentService"],
    server_service_pb2.DESCRIPTOR.services_by_name["ServerService"],
)

PEER_KEY = "agentfield-peer"
"""The metadata in which a gateway says whose address asks; it counts within one process only."""

TOKENS = frozenset({"session", "start"})
"""The roles of those who show a token: no key has them."""

BEGINS_WORK = frozenset(
    {
        "/agentfield.v1.ExecutionService/Execute",
        "/agentfield.v1.ExecutionService/ExecuteAsync",
        "/agentfield.v1.SessionService/StartSession",
    }
)
"""The rpcs that begin a trace if nobody has begun one; all others only join."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One rpc of ours."""

    name: str
    """Its path, for instance ``/agentfield.v1.ExecutionService/Execute``."""
    descriptor: MethodDescriptor
    roles: frozenset[str]
    """The roles that may call it, for instance ``agent``. Empty: any valid key."""
    event_stream: bool
    """Whether its REST answer is an event stream."""

    @property
    def counted(self) -> bool:
        """Whether it counts against its caller's rate; what only agents call does not."""
        return self.roles != {"agent"}

    @property
    def streams(self) -> bool:
        """Whether either side sends more than one message."""
        return bool(self.descriptor.client_streaming or self.descriptor.server_streaming)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One cell of the provider and transport matrix."""

    provider: str
    transport: str
    served: bool


@cache
def methods() -> dict[str, Method]:
    """Return every rpc of ours by its path."""
    return {method.name: method for method in _methods()}


def _methods() -> Iterator[Method]:
    for service in SERVICES:
        for descriptor in service.methods:
            options = descriptor.GetOptions()
            roles = options.Extensions[options_pb2.access].roles
            yield Method(
                name=f"/{service.full_name}/{descriptor.name}",
                descriptor=descriptor,
                roles=frozenset(
                    options_pb2.Role.Name(role).removeprefix("ROLE_").lower() for role in roles
                ),
                event_stream=options.Extensions[options_pb2.rest].event_stream,
            )


@cache
def pairs() -> tuple[Pair, ...]:
    """Return the provider and transport matrix in the contract's order."""
    return tuple(
        Pair(
            provider=value.name.removeprefix("PROVIDER_").lower(),
            transport=provider_pb2.Transport.Name(pair.transport)
            .removeprefix("TRANSPORT_")
            .lower(),
            served=pair.served,
        )
        for value in provider_pb2.Provider.DESCRIPTOR.values
        for pair in value.GetOptions().Extensions[provider_pb2.provider].pairs
    )
