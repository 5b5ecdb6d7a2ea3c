"""From a route of the contract to its rpc, and back to an answer."""

from __future__ import annotations

__all__ = ["Endpoint", "Forward"]

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from aiohttp import web
from google.protobuf.message import Message

from agentfield.contract.facts import PEER_KEY
from agentfield.v1 import errors
from agentfield_gateway.config import GatewayConfig
from agentfield_gateway.events import send_events
from agentfield_gateway.incoming import form_query, message_of, metadata_of
from agentfield_gateway.legacy import Asked
from agentfield_gateway.legacy.reports import too_large
from agentfield_gateway.outgoing import FAILURE_FORM, answer
from agentfield_gateway.routes import Route, Rpc
from agentfield_gateway.transport import Metadata, Transport

_MOST_PAGES = 10
Endpoint = Callable[[web.Request, Mapping[str, str]], Awaitable[web.StreamResponse]]
"""Answers a request; it is given the values of the names in its route's template."""

_REPORT = "/agentfield.v1.ExecutionService/ReportExecution"


class Forward:
    """Calls the control plane for whoever asks, with their own credential."""

    def __init__(
        self, transport: Transport, config: GatewayConfig, *, draining: asyncio.Event
    ) -> None:
        self._transport = transport
        self._config = config
        self._draining = draining

    def endpoint(self, route: Route[Rpc]) -> Endpoint:
        """Return the endpoint of a route."""
        rpc = route.leads_to

        async def respond(
            request: web.Request, parameters: Mapping[str, str]
        ) -> web.StreamResponse:
            if rpc.failure_form:
                request[FAILURE_FORM] = rpc.failure_form
            query = request.rel_url.raw_query_string
            metadata = [*metadata_of(request.headers), (PEER_KEY, request.remote or "")]
            message = message_of(
                rpc,
                parameters=parameters,
                query=query,
                body=await self._body(request, rpc, parameters, metadata) if rpc.body else b"",
                headers=request.headers,
            )
            if rpc.event_stream:
                messages = self._transport.stream(rpc.method, message, metadata=metadata)
                return await send_events(
                    request,
                    rpc,
                    messages,
                    keep_alive_seconds=self._config.keep_alive_seconds,
                    draining=self._draining,
                )
            asked = Asked(template=route.template, request=message, query=form_query(rpc, query))
            found = await self._found(rpc, message, metadata)
            if rpc.whole:
                # A long list takes a second to write: beside the loop, where nobody waits for it.
                return await asyncio.to_thread(answer, rpc, found, asked)
            return answer(rpc, found, asked)

        return respond

    async def _found(self, rpc: Rpc, request: Any, metadata: Metadata) -> Message:
        """Call an rpc; of what comes in pages, return all, unless the request names a page."""
        found: Any = await self._transport.unary(rpc.method, request, metadata=metadata)
        if not rpc.whole or request.page_size or request.page_token or not found.next_page_token:
            return cast("Message", found)
        asked, whole = type(request)(), type(found)()
        asked.CopyFrom(request)
        whole.CopyFrom(found)
        for _ in range(_MOST_PAGES - 1):
            if not whole.next_page_token:
                break
            asked.page_token = whole.next_page_token
            page: Any = await self._transport.unary(rpc.method, asked, metadata=metadata)
            getattr(whole, rpc.whole).extend(getattr(page, rpc.whole))
            whole.next_page_token = page.next_page_token
        return cast("Message", whole)

    async def _body(
        self, request: web.Request, rpc: Rpc, parameters: Mapping[str, str], metadata: Metadata
    ) -> bytes:
        try:
            return await self._read(request)
        except errors.PayloadTooLarge:
            if rpc.method == _REPORT:
                limit = self._config.max_body_bytes
                report = too_large(parameters["execution_id"], limit)
                await self._transport.unary(rpc.method, report, metadata=metadata)
            raise

    async def _read(self, request: web.Request) -> bytes:
        limit = self._config.max_body_bytes
        too_large = errors.PayloadTooLarge(
            f"The body is larger than {limit} bytes.", metadata={"limit": str(limit)}
        )
        if (request.content_length or 0) > limit:
            raise too_large
        try:
            return await request.read()
        except web.HTTPRequestEntityTooLarge:
            raise too_large from None
        except web.RequestPayloadError:
            raise errors.InvalidArgument("The body does not arrive as its headers say.") from None
