"""The environment and the command line of a gateway that runs alone, read once into one value."""

from __future__ import annotations

__all__ = ["Settings", "read_settings"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agentfield.process.addresses import split_bind
from agentfield.process.channels import ClientTls, check_address
from agentfield.process.flags import Flags, comma_separated, read_origins
from agentfield.process.tls import add_tls_flags, tls_files
from agentfield_gateway.config import GatewayConfig

_AROUND_PAYLOAD = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a gateway that runs alone needs to know."""

    grpc: str
    """The address of the control plane."""
    client_tls: ClientTls
    """For the way there, if the address is grpcs://."""
    insecure: bool
    log_level: str
    gateway: GatewayConfig


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Read flags and environment variables; a flag wins over the variable of its name.

    Raises ConfigError for a value that makes no sense.
    """
    args = _flags(environment).parse_args(arguments)
    split_bind(args.http_bind)
    check_address(args.grpc)
    return Settings(
        grpc=args.grpc,
        client_tls=ClientTls(ca=args.tls_ca, cert=args.client_cert, key=args.client_key),
        insecure=args.insecure,
        log_level=args.log_level,
        gateway=GatewayConfig(
            http_bind=args.http_bind,
            allowed_hosts=comma_separated(args.allowed_hosts),
            cors_origins=read_origins(args.cors_origins),
            max_body_bytes=args.max_payload_bytes + _AROUND_PAYLOAD,
            tls=tls_files(args),
        ),
    )


def _flags(environment: Mapping[str, str]) -> Flags:
    flags = Flags(
        "af gateway", "The REST gateway alone, for a control plane elsewhere.", environment
    )
    flags.flag("--http-bind", "127.0.0.1:8080", "HOST:PORT", "where it listens")
    add_tls_flags(flags)
    flags.flag(
        "--grpc",
        "localhost:8180",
        "ADDRESS",
        "where the control plane is: HOST:PORT, or grpcs://HOST:PORT for TLS",
    )
    flags.flag("--tls-ca", "", "FILE", "PEM file of the CA of the control plane's certificate")
    flags.flag("--client-cert", "", "FILE", "PEM file of the certificate to show it")
    flags.flag("--client-key", "", "FILE", "PEM file of that certificate's key")
    flags.flag(
        "--allowed-hosts", "", "HOSTS", "further Host names to answer for, comma separated; *: any"
    )
    flags.origins()
    flags.number(
        "--max-payload-bytes",
        8 * 1024 * 1024,
        "BYTES",
        "the largest input or result",
        most=256 * 1024 * 1024,
    )
    flags.flag("--log-level", "info", "LEVEL", "debug, info, warning or error")
    flags.switch(
        "--insecure",
        "listen on other than loopback addresses though the control plane needs no keys",
    )
    return flags
