"""The REST gateway: HTTP routes read from the contract, answered by a control plane."""

from __future__ import annotations

__all__ = ["GatewayConfig", "GrpcTransport", "Transport", "build_app", "serve"]

from agentfield_gateway.app import build_app, serve
from agentfield_gateway.config import GatewayConfig
from agentfield_gateway.transport import GrpcTransport, Transport
