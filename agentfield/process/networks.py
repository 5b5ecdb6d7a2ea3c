"""In which networks agents may be called, and for how long they may be silent."""

from __future__ import annotations

__all__ = ["NETWORK_WORDS", "add_network_flags", "agent_networks"]

from collections.abc import Iterable
from ipaddress import ip_network

from agentfield.process.addresses import is_loopback, split_bind
from agentfield.process.flags import ConfigError, Flags, comma_separated

NETWORK_WORDS = ("loopback", "own", "private", "public", "none")


def add_network_flags(flags: Flags) -> None:
    """Add the flags of servers that call agents over HTTP."""
    flags.flag(
        "--agent-networks",
        "",
        "NETWORKS",
        "where agents may be called over HTTP, comma separated: loopback, own (any address of this "
        "machine), private, public, none, or networks like 10.1.0.0/16 (default: loopback,own for "
        "a server that listens on loopback only, else public)",
    )
    flags.number(
        "--heartbeat-timeout",
        60.0,
        "SECONDS",
        "how long an agent that is called over HTTP may be silent",
        most=86_400,
    )


def agent_networks(given: str, binds: Iterable[str]) -> tuple[str, ...]:
    """Return the networks that are given, or those that suit where the server listens.

    Raises ConfigError.
    """
    words = comma_separated(given)
    if not words:
        local = all(is_loopback(split_bind(bind)[0]) for bind in binds)
        return ("loopback", "own") if local else ("public",)
    for word in words:
        try:
            _ = word in NETWORK_WORDS or ip_network(word)
        except ValueError:
            raise ConfigError(
                f"--agent-networks: '{word}' is neither a network like 10.1.0.0/16 nor one of "
                f"{', '.join(NETWORK_WORDS)}."
            ) from None
    return words
