"""The gRPC server: its options, its services, and one table of both."""

from __future__ import annotations

__all__ = ["Service", "build_server", "grpc_options", "listen", "services"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from agentfield.contract.facts import SERVICES
from agentfield.process.tls import Certificate, TlsFiles
from agentfield.rpc.interceptors import Around
from agentfield.v1 import (
    agent_service_pb2_grpc,
    execution_service_pb2_grpc,
    journal_service_pb2_grpc,
    node_service_pb2_grpc,
    server_service_pb2_grpc,
    session_service_pb2_grpc,
    workflow_service_pb2_grpc,
)

_ADD: dict[str, Callable[[Any, grpc.aio.Server], None]] = {
    "SessionService": session_service_pb2_grpc.add_SessionServiceServicer_to_server,
    "ExecutionService": execution_service_pb2_grpc.add_ExecutionServiceServicer_to_server,
    "JournalService": journal_service_pb2_grpc.add_JournalServiceServicer_to_server,
    "WorkflowService": workflow_service_pb2_grpc.add_WorkflowServiceServicer_to_server,
    "NodeService": node_service_pb2_grpc.add_NodeServiceServicer_to_server,
    "AgentService": agent_service_pb2_grpc.add_AgentServiceServicer_to_server,
    "ServerService": server_service_pb2_grpc.add_ServerServiceServicer_to_server,
    "Health": health_pb2_grpc.add_HealthServicer_to_server,
}
HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A servicer and what it serves."""

    descriptor: ServiceDescriptor
    servicer: Any


def services(servicers: Sequence[Any], health: Any) -> list[Service]:
    """Pair the servicers with the contract's services, by class name, and add health."""
    by_name = {type(servicer).__name__: servicer for servicer in servicers}
    ours = [Service(descriptor=d, servicer=by_name[d.name]) for d in SERVICES]
    return [*ours, Service(descriptor=HEALTH, servicer=health)]


def grpc_options(max_payload_bytes: int) -> list[tuple[str, int]]:
    """Return the server's channel options; each has its reason."""
    # Room for a message that is too large by a factor, so that it gets a proper error.
    receive = 4 * max_payload_bytes + 1024 * 1024
    return [
        ("grpc.max_receive_message_length", receive),
        ("grpc.max_send_message_length", -1),
        # Without these a burst of more than 1000 calls is answered CANCELLED at random.
        ("grpc.server.max_pending_requests", 100_000),
        ("grpc.server.max_pending_requests_hard_limit", 200_000),
        # Agents ping every 10 seconds, also while nothing is under way.
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        # A dead peer is noticed in seconds, not after a minute.
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.http2.ping_timeout_ms", 5_000),
        # A worker that does not read must push back soon.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.so_reuseport", 0),
    ]


def build_server(
    all_services: Sequence[Service], chain: Sequence[Around], *, max_payload_bytes: int
) -> grpc.aio.Server:
    """Return a server that is not started and listens nowhere yet."""
    server = grpc.aio.server(interceptors=list(chain), options=grpc_options(max_payload_bytes))
    for service in all_services:
        _ADD[service.descriptor.name](service.servicer, server)
    names = [service.descriptor.full_name for service in all_services]
    reflection.enable_server_reflection([*names, reflection.SERVICE_NAME], server)
    return server


def listen(server: grpc.aio.Server, bind: str, tls: TlsFiles | None) -> str:
    """Have a server listen on HOST:PORT, over TLS if files are given; return the address it has.

    Each handshake uses the files as they are then. Raises OSError when that cannot be listened on.
    """
    try:
        if tls is None:
            port = server.add_insecure_port(bind)
        else:
            port = server.add_secure_port(bind, _credentials(Certificate(tls), tls))
    except RuntimeError as error:
        # gRPC's own text ends in advice on its debug log.
        raise OSError(f"cannot listen on {bind}: it is in use, or not of this machine") from error
    return f"{bind.rpartition(':')[0]}:{port}"


def _credentials(certificate: Certificate, tls: TlsFiles) -> grpc.ServerCredentials:
    def current() -> grpc.ServerCertificateConfiguration:
        pems = certificate.pems
        return grpc.ssl_server_certificate_configuration(
            [(pems.key, pems.cert)], root_certificates=pems.client_ca
        )

    return grpc.dynamic_ssl_server_credentials(
        current(), current, require_client_authentication=tls.client_ca is not None
    )
