"""Where to listen."""

from __future__ import annotations

__all__ = ["is_loopback", "split_bind"]

from ipaddress import ip_address

from agentfield.process.flags import ConfigError


def split_bind(bind: str) -> tuple[str, int]:
    """Return host and port of HOST:PORT; an IPv6 host stands in brackets. Raises ConfigError."""
    host, _, port = bind.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ConfigError(f"'{bind}' must be HOST:PORT, for instance 127.0.0.1:8080.")
    return host.removeprefix("[").removesuffix("]"), int(port)


def is_loopback(host: str) -> bool:
    """Return whether who listens on this host is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
