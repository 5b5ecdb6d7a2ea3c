"""One HTTP request to an agent, and nothing that it was not asked to do.

No redirect is followed, no proxy used, no cookie kept, nothing decompressed; each request has a
connection of its own, so that what failed before it was written is known to have had no effect.
"""

from __future__ import annotations

__all__ = ["AgentClient", "Answer", "Broken", "NotSent", "TooLarge"]

from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import hdrs
from yarl import URL

from agentfield.dispatch.addresses import AddressPolicy, Resolver
from agentfield.v1 import errors

CONNECT_SECONDS = 5.0
Begin = Callable[[], Awaitable[None]]
"""Called between connecting and writing; what it raises prevents the writing."""
_begin: ContextVar[Begin] = ContextVar("_begin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an agent answered."""

    status: int
    body: bytes


class NotSent(Exception):
    """Nothing was written; the message says why."""


class Broken(Exception):
    """Something was written, and no complete answer came; the message says why."""


class TooLarge(Exception):
    """The answer is larger than is accepted."""


class _Connector(aiohttp.TCPConnector):
    """Asks, once it is connected, whether the request may be written."""

    async def connect(self, *args: Any, **kwargs: Any) -> Any:
        connection = await super().connect(*args, **kwargs)
        with ExitStack() as undo:
            undo.callback(connection.close)
            await _begin.get()()
            undo.pop_all()
        return connection


class AgentClient:
    """Calls agents at addresses that the policy allows."""

    def __init__(self, policy: AddressPolicy, *, max_bytes: int) -> None:
        self._policy = policy
        self._max_bytes = max_bytes

    async def __aenter__(self) -> Self:
        connector = _Connector(
            resolver=Resolver(self._policy), use_dns_cache=False, force_close=True, limit=0
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            headers={hdrs.ACCEPT_ENCODING: "identity", hdrs.USER_AGENT: "agentfield"},
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def post(
        self, url: str, *, body: bytes, headers: Mapping[str, str], timeout: float, begin: Begin
    ) -> Answer:
        """Send a request and return its answer. Raises NotSent, Broken, TooLarge.

        ``begin`` is awaited when the connection is there, and right before anything is written.
        """
        written = False

        async def begin_once() -> None:
            nonlocal written
            await begin()
            written = True

        _begin.set(begin_once)
        try:
            target = URL(url, encoded=True)
            await self._policy.allowed(target.host or "", target.port or 80)
            limits = aiohttp.ClientTimeout(total=timeout, sock_connect=CONNECT_SECONDS)
            async with self._session.post(
                target, data=body, headers=headers, allow_redirects=False, timeout=limits
            ) as response:
                return Answer(status=response.status, body=await self._read(response))
        except errors.InvalidArgument as error:
            raise NotSent(error.message) from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            why = _why(error)
            raise (Broken(why) if written else NotSent(why)) from None

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        encoding = response.headers.get(hdrs.CONTENT_ENCODING, "identity")
        if encoding != "identity":
            raise aiohttp.ClientPayloadError(f"it is encoded ({encoding[:20]})")
        parts, size = [], 0
        async for part in response.content.iter_any():
            size += len(part)
            if size > self._max_bytes:
                raise TooLarge
            parts.append(part)
        return b"".join(parts)


def _why(error: BaseException) -> str:
    """Return what went wrong, without what the other side said."""
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return "its TLS certificate is not valid here"
        case aiohttp.ClientConnectorDNSError():
            return "its host has no address at which agents are called"
        case aiohttp.ClientConnectorError():
            return "it refuses the connection"
        case TimeoutError():
            return "it does not answer in time"
        case aiohttp.ClientPayloadError() | aiohttp.ClientResponseError():
            return "its answer is not HTTP that is understood here"
        case _:
            return "the connection broke"
