"""The way of a client to a control plane: in the clear, or over TLS if its address says so."""

from __future__ import annotations

__all__ = ["ClientTls", "check_address", "open_channel"]

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from agentfield.process.flags import ConfigError

_ADDRESS = re.compile(
    r"((?P<scheme>grpcs?)://)?(?P<target>(\[[0-9A-Fa-f:.]+\]|[^\s:/,]+):[0-9]{1,5})/?"
)
_IPV4 = r"[0-9]{1,3}(\.[0-9]{1,3}){3}:[0-9]{1,5}"
_SEVERAL = re.compile(rf"(grpc://)?(?P<targets>{_IPV4}(,{_IPV4})+)/?")
"""Of several servers. gRPC takes such a list of addresses alone, without names or certificates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTls:
    """Whom a client trusts and who it is, by PEM files. Empty: none."""

    ca: str = ""
    """The CA of the control plane's certificate. Empty: the public ones that grpc ships."""
    cert: str = ""
    """The client's own certificate, where the control plane asks for one."""
    key: str = ""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> ClientTls:
        """Read the environment."""
        return cls(
            ca=environment.get("AGENTFIELD_TLS_CA", ""),
            cert=environment.get("AGENTFIELD_CLIENT_CERT", ""),
            key=environment.get("AGENTFIELD_CLIENT_KEY", ""),
        )


def check_address(address: str) -> None:
    """Raise ConfigError unless it is HOST:PORT, grpc://HOST:PORT or grpcs://HOST:PORT.

    In the clear it may also be a list of IPv4 addresses, IP:PORT,IP:PORT.
    """
    _parts(address)


def open_channel(
    address: str, *, options: Sequence[tuple[str, Any]], tls: ClientTls
) -> grpc.aio.Channel:
    """Return a channel to a control plane; grpcs:// is TLS. It connects when it is used.

    Of several addresses the first that answers is used, and the next one when that is lost; a name
    that stands for several addresses is such a list as well.

    Raises ConfigError for another kind of address, and for files that cannot be read.
    """
    target, secure = _parts(address)
    if not secure:
        return grpc.aio.insecure_channel(target, options=options)
    if bool(tls.cert) != bool(tls.key):
        raise ConfigError("A client's certificate needs its key, and the key its certificate.")
    credentials = grpc.ssl_channel_credentials(
        root_certificates=_read(tls.ca),
        private_key=_read(tls.key),
        certificate_chain=_read(tls.cert),
    )
    return grpc.aio.secure_channel(target, credentials, options=options)


def _parts(address: str) -> tuple[str, bool]:
    several = _SEVERAL.fullmatch(address)
    if several is not None:
        return f"ipv4:{several['targets']}", False
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise ConfigError(
            "The control plane's address is HOST:PORT, for instance localhost:8180, or "
            f"grpcs://HOST:PORT for TLS, or IP:PORT,IP:PORT of several servers, not '{address}'."
        )
    return found["target"], found["scheme"] == "grpcs"


def _read(path: str) -> bytes | None:
    if not path:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
