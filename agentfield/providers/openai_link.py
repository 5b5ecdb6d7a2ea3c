"""A sideband to a running call: frames over a WebSocket."""

from __future__ import annotations

__all__ = ["Link"]

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import suppress

import aiohttp

from agentfield.providers.openai_codec import Codec
from agentfield.sessions.provider import Command, LinkClosed, ProviderEvent

_ESCAPED_SURROGATE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)


class Link:
    """Reads and writes; the socket is opened and closed by whoever made it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, codec: Codec) -> None:
        self._socket = socket
        self._codec = codec
        self._sending = asyncio.Lock()

    async def events(self) -> AsyncIterator[ProviderEvent]:
        """Yield what the provider tells; LinkClosed is the last."""
        while True:
            message = await self._socket.receive()
            match message.type:
                case aiohttp.WSMsgType.TEXT:
                    for event in self._decoded(message.data):
                        yield event
                case aiohttp.WSMsgType.BINARY:
                    continue
                case aiohttp.WSMsgType.CLOSE:
                    detail = f"{message.data} {message.extra or ''}".strip()
                    is_over = message.data == aiohttp.WSCloseCode.OK
                    yield LinkClosed(by_provider=is_over, detail=detail)
                    return
                case _:
                    yield LinkClosed(by_provider=False, detail="connection lost")
                    return

    async def send(self, command: Command) -> None:
        """Tell the provider something; silently nothing once the link is gone.

        Commands of several tasks follow each other, never mixed.
        """
        async with self._sending:
            with suppress(ConnectionError):
                for frame in self._codec.encode(command):
                    await self._socket.send_str(json.dumps(frame))

    def _decoded(self, text: str) -> list[ProviderEvent]:
        try:
            frame = json.loads(_whole(text))
        except ValueError:
            return []
        return self._codec.decode(frame) if isinstance(frame, dict) else []


def _whole(text: str) -> str:
    """Return JSON with the replacement character for each half of a surrogate pair alone.

    No store and no reader of ours could hold it.
    """
    return _ESCAPED_SURROGATE.sub(lambda m: m[0] if len(m[0]) == 12 else "\\ufffd", text)
