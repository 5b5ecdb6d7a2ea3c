"""Which addresses agents may be called at.

They are checked when an agent registers and again for every connection: what was looked up and
found good is what is connected to.
"""

from __future__ import annotations

__all__ = ["AddressPolicy", "Resolver", "policy_of"]

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import SplitResult, urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

from agentfield.process.networks import NETWORK_WORDS
from agentfield.v1 import errors

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Lookup = Callable[[str, int], Awaitable[list[str]]]

MAX_URL = 2048
LOOKUP_SECONDS = 5.0
PRIVATE = tuple(
    ip_network(n) for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)
NOT_PUBLIC = tuple(ip_network(n) for n in ("64:ff9b:1::/48", "fec0::/10"))
"""IPv6 networks that lead inside, and that Python takes for global."""
NEVER = tuple(
    ip_network(n)
    for n in (
        "0.0.0.0/8",
        "100.100.100.200/32",  # a cloud's metadata
        "169.254.0.0/16",  # link-local, and the metadata of most clouds
        "192.0.0.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "fd00:ec2::254/128",  # a cloud's metadata
        "fe80::/10",
        "ff00::/8",
    )
)
_NUMERIC = re.compile(r"(.*\.)?(0x[0-9a-f]*|[0-9]+)\.?", re.IGNORECASE)
"""What looks like a number, and what some software takes for an address."""
_EMBEDDED = (ip_network("64:ff9b::/96"), ip_network("::/96"))
"""IPv6 networks whose last 32 bits are an IPv4 address."""


async def look_up(host: str, port: int) -> list[str]:
    """Return the addresses of a host. Raises OSError."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(LOOKUP_SECONDS):
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[4][0]) for address in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPolicy:
    """The networks agents may be in."""

    loopback: bool = False
    own: bool = False
    """Every address of this machine."""
    private: bool = False
    public: bool = False
    networks: tuple[Network, ...] = ()
    look_up: Lookup = look_up

    async def choose(self, urls: Sequence[str]) -> str:
        """Return the first URL that may be called, in its shortest form.

        Raises InvalidArgument that says what is wrong with the first of them.
        """
        refused: errors.InvalidArgument | None = None
        for url in urls:
            try:
                return await self._checked(url)
            except errors.InvalidArgument as error:
                refused = refused or error
        raise refused or _invalid("", "is missing")

    async def _checked(self, url: str) -> str:
        parts, port = _split(url)
        await self.allowed(parts.hostname or "", port)
        return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"

    async def allowed(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host that may be connected to.

        Raises InvalidArgument if it has none, or cannot be looked up.
        """
        found = [host] if _is_address(host) else await self._looked_up(host, port)
        good = [address for address in found if self._allows(ip_address(_bare(address)))]
        if not good:
            where = found[0] if found else "nowhere"
            raise _invalid(
                host,
                f"is at {where}, where this server calls no agents; --agent-networks names the "
                "networks in which it does",
            )
        return good

    async def _looked_up(self, host: str, port: int) -> list[str]:
        if _NUMERIC.fullmatch(host):
            raise _invalid(host, "is neither a name nor an address as it is usually written")
        try:
            return await self.look_up(host, port)
        except (OSError, UnicodeError, TimeoutError):
            raise _invalid(host, "cannot be looked up") from None

    def _allows(self, address: Address) -> bool:
        address = _real(address)
        if any(address in network for network in NEVER):
            return False
        if any(address in network for network in self.networks):
            return True
        if address.is_loopback:
            return self.loopback
        if self.own and _is_own(address):
            return True
        if any(address in network for network in PRIVATE):
            return self.private
        inside = any(address in network for network in NOT_PUBLIC)
        return self.public and address.is_global and not inside


class Resolver(AbstractResolver):
    """Looks hosts up for one client, and lets it see good addresses only."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002 - both are looked up
    ) -> list[ResolveResult]:
        """Return the addresses of a host. Raises OSError if there is none to connect to."""
        try:
            found = await self._policy.allowed(host, port)
        except errors.InvalidArgument as error:
            raise OSError(error.message) from None
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in found
        ]

    async def close(self) -> None:
        """There is nothing to close."""


def policy_of(words: Iterable[str]) -> AddressPolicy:
    """Return the policy that words like ``private`` and networks like ``10.1.0.0/16`` make."""
    given = set(words)
    return AddressPolicy(
        loopback="loopback" in given,
        own="own" in given,
        private="private" in given,
        public="public" in given,
        networks=tuple(ip_network(word) for word in sorted(given.difference(NETWORK_WORDS))),
    )


def _split(url: str) -> tuple[SplitResult, int]:
    """Return the parts of a URL at which an agent can be called. Raises InvalidArgument."""
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise _invalid("…", f"is not a URL of at most {MAX_URL} ASCII characters")
    if "@" in url or "\\" in url:
        raise _invalid("…", "must not carry credentials, nor a backslash")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _invalid(url, "is not a URL") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise _invalid(url, "must begin with http:// or https:// and a host")
    if "?" in url or "#" in url:
        raise _invalid(url, "must not have a query or a fragment")
    if port == 0:
        raise _invalid(url, "must not name port 0")
    return parts, port or (443 if parts.scheme == "https" else 80)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _bare(address: str) -> str:
    """Return an address without the name of its interface."""
    return address.partition("%")[0]


def _real(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        inner = int(address) & 0xFFFF_FFFF
        if inner > 1 and any(address in network for network in _EMBEDDED):
            return IPv4Address(inner)
    return address


def _is_own(address: Address) -> bool:
    """Return whether an address is one of this machine's: only those are reached from themselves."""
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address), 9))  # which sends nothing
        except OSError:
            return False
        return ip_address(_bare(probe.getsockname()[0])) == address


def _invalid(what: str, why: str) -> errors.InvalidArgument:
    return errors.InvalidArgument(
        f"Invalid callback URL: '{what}' {why}.", metadata={"field": "base_url"}
    )
