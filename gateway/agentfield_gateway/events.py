"""Event streams: each message of a stream as a server-sent event."""

from __future__ import annotations

__all__ = ["STARTED", "send_events", "send_failure"]

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiohttp import web
from google.protobuf.message import Message

from agentfield.v1 import errors
from agentfield_gateway.outgoing import error_json, message_json
from agentfield_gateway.routes import Rpc

STARTED = web.RequestKey("STARTED", web.StreamResponse)
"""The request's event stream, once it has begun: what fails from then on is an event of it."""

_HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


async def send_events(
    request: web.Request,
    rpc: Rpc,
    messages: AsyncIterator[Message],
    *,
    keep_alive_seconds: float,
    draining: asyncio.Event,
) -> web.StreamResponse:
    """Send a stream to its end, or until its reader leaves.

    One that ends without an event, and that its readers resume, is answered with 204: it tells
    them to stop coming back.

    Raises what the stream fails with, and ServerDraining once ``draining`` is set; some of it in
    an exception group.
    """
    async with _closing(messages):
        first = await anext(messages, None)
        if first is None and rpc.last_event_id:
            return web.Response(status=204)
        response = request[STARTED] = web.StreamResponse(headers=_HEADERS)
        await response.prepare(request)
        try:
            async with asyncio.TaskGroup() as tasks:
                beat = tasks.create_task(_keep_alive(response, keep_alive_seconds, draining))
                if first is not None:
                    await response.write(_message_event(rpc, first))
                async for message in messages:
                    await response.write(_message_event(rpc, message))
                beat.cancel()
        except* ConnectionResetError:
            pass  # The reader has left; there is nobody to tell.
        return response


async def send_failure(response: web.StreamResponse, error: errors.AgentFieldError) -> None:
    """Send an error as an event, unless the reader has left."""
    with suppress(ConnectionResetError):
        await response.write(b"event: error\n" + _event(error_json(error)))


async def _keep_alive(
    response: web.StreamResponse, seconds: float, draining: asyncio.Event
) -> None:
    """Break the silence, so that nothing on the way takes the stream for dead."""
    while True:
        try:
            async with asyncio.timeout(seconds):
                await draining.wait()
        except TimeoutError:
            await response.write(b": keep-alive\n\n")
        else:
            raise errors.ServerDraining("This gateway is shutting down; connect again.")


def _message_event(rpc: Rpc, message: Message) -> bytes:
    event: Any = getattr(message, rpc.response_body) if rpc.response_body else message
    number = getattr(event, rpc.event_id) if rpc.event_id else 0
    # An event without an id leaves its reader with the id of the one before.
    return (b"id: %d\n" % number if number else b"") + _event(message_json(rpc, message))


def _event(data: bytes) -> bytes:
    # JSON that came byte for byte from elsewhere may have line breaks between its tokens; an
    # event's reader joins its lines again.
    return b"".join(b"data: " + line + b"\n" for line in data.splitlines()) + b"\n"


@asynccontextmanager
async def _closing(messages: AsyncIterator[Message]) -> AsyncIterator[None]:
    # Left to itself a generator ends whenever it is collected, and its rpc with it.
    try:
        yield
    finally:
        if isinstance(messages, AsyncGenerator):
            await messages.aclose()
