"""What a gateway needs to know."""

from __future__ import annotations

__all__ = ["GatewayConfig"]

from dataclasses import dataclass

from agentfield.process.tls import TlsFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """Everything a gateway needs to know, but for the way to its control plane."""

    http_bind: str = "127.0.0.1:8080"
    """HOST:PORT to listen on; port 0 takes any."""
    tls: TlsFiles | None = None
    """None: in the clear."""
    allowed_hosts: tuple[str, ...] = ()
    """Further host names it answers for; ``*`` is any."""
    cors_origins: tuple[str, ...] = ()
    """Origins, besides its own, whose pages may call it."""
    max_body_bytes: int = 8 * 1024 * 1024 + 64 * 1024
    """The largest request body: a payload and what stands around it."""
    keep_alive_seconds: float = 15.0
    """How long an event stream may be silent."""
    drain_seconds: float = 10.0
    """How long running requests may take once the gateway is told to stop."""
