"""The way from one command to the control plane."""

from __future__ import annotations

__all__ = ["Link", "all_pages", "ask", "follow"]

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from google.protobuf.message import Message
from grpc.aio import UnaryStreamMultiCallable, UnaryUnaryMultiCallable

from agentfield.v1 import errors
from agentfield_sdk.backoff import Patience
from agentfield_sdk.connection import Connection

# A person waits: a control plane that is down, or does not answer, is soon reported.
_PATIENCE = 5.0
_DEADLINE = 30.0
# Whoever follows something that runs would rather wait for a restart than miss the rest.
_OUTAGE = 30.0
# What fails after this long is a new outage.
_STEADY = 10.0
_PAGE_SIZE = 1000

Q = TypeVar("Q", bound=Message)
R = TypeVar("R")


class Page(Protocol):
    """An answer that may not be the last one."""

    next_page_token: str


P = TypeVar("P", bound=Page)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Where the control plane is, and the key to show it."""

    server: str
    api_key: str | None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Connection]:
        """Connect. Raises ServerUnreachable that says what to do."""
        try:
            async with Connection(self.server, api_key=self.api_key) as connection:
                yield connection
        except errors.ServerUnreachable:
            raise errors.ServerUnreachable(
                f"cannot reach the control plane at {self.server}: is `af server` running?"
            ) from None


async def ask(
    connection: Connection,
    rpc: UnaryUnaryMultiCallable[Q, R],
    request: Q,
    *,
    timeout: float | None = _DEADLINE,
) -> R:
    """Call an rpc with the patience of a person. ``None`` waits as long as the server does."""
    return await connection.call(rpc, request, timeout=timeout, retry_for=_PATIENCE)


async def follow(
    connection: Connection, rpc: UnaryStreamMultiCallable[Q, R], request: Q
) -> AsyncGenerator[R, None]:
    """Yield what an rpc sends to its end, opening it again after failures that pass.

    It is opened with the request as it is by then: whoever reads notes in it where to go on.
    """
    clock = asyncio.get_running_loop().time
    patience, known = Patience(_PATIENCE), False
    while True:
        began_at, silent = clock(), True
        try:
            async for response in connection.stream(rpc, request):
                if not known:
                    patience, known = Patience(_OUTAGE), True
                silent = False
                yield response
        except errors.AgentFieldError as error:
            if error.retryable and not silent:
                print(f"note: {error.reason}, trying to go on", file=sys.stderr)
            if clock() - began_at > _STEADY:
                patience.renew()
            await patience.wait(error)
        else:
            return


async def all_pages(
    fetch: Callable[[Any], Awaitable[P]],
    request: Any,
    items: str,
    *,
    limit: int | None = None,
    page_size: int = _PAGE_SIZE,
) -> P:
    """Return the last page with the ``items`` of all pages, or of the first ``limit``, in it."""
    found: list[Any] = []
    while True:
        request.page_size = page_size if limit is None else min(page_size, limit - len(found))
        page = await fetch(request)
        found.extend(getattr(page, items))
        if not page.next_page_token or len(found) == limit:
            del getattr(page, items)[:]
            getattr(page, items).extend(found)
            return page
        request.page_token = page.next_page_token
