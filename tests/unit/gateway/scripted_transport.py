"""A control plane that answers what a test tells it to, and a browserless client of its gateway."""

from __future__ import annotations

__all__ = ["Gateway", "Heard", "ScriptedTransport"]

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from yarl import URL

from agentfield.contract import facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One call that arrived."""

    rpc: str
    """Its name, for instance ``Execute``."""
    request: Any
    metadata: dict[str, str]
    peer: str = ""
    """Whose address asks, as the gateway says."""


@dataclass(slots=True, kw_only=True)
class ScriptedTransport:
    """Answers every rpc with an empty response, or with what ``answers`` holds for its name."""

    answers: dict[str, Message | Exception] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)
    messages: asyncio.Queue[Message | Exception | None] = field(default_factory=asyncio.Queue)
    """What a stream sends. None ends it."""
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once an rpc waits for ``release``, or a stream for its next message."""
    release: asyncio.Event | None = None
    """Until it is set, unary rpcs wait."""
    given_up: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a call has been cancelled, or a stream closed."""

    async def unary(
        self,
        method: str,
        request: Message,
        *,
        metadata: Sequence[tuple[str, str]],
        timeout: float | None = None,
    ) -> Message:
        name = self._hear(method, request, metadata)
        if self.release is not None:
            self.waiting.set()
            try:
                await self.release.wait()
            except asyncio.CancelledError:
                self.given_up.set()
                raise
        answer = self.answers.get(name)
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            return GetMessageClass(facts.methods()[method].descriptor.output_type)()
        return answer

    async def stream(
        self, method: str, request: Message, *, metadata: Sequence[tuple[str, str]]
    ) -> AsyncIterator[Message]:
        self._hear(method, request, metadata)
        try:
            while True:
                self.waiting.set()
                message = await self.messages.get()
                if message is None:
                    return
                if isinstance(message, Exception):
                    raise message
                yield message
        finally:
            self.given_up.set()

    def _hear(self, method: str, request: Message, metadata: Sequence[tuple[str, str]]) -> str:
        name = method.rpartition("/")[2]
        assert len(dict(metadata)) == len(metadata)
        shown = dict(metadata)
        peer = shown.pop(facts.PEER_KEY, "")
        self.heard.append(Heard(rpc=name, request=request, metadata=shown, peer=peer))
        return name


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A running gateway, and what it says to its control plane."""

    plane: ScriptedTransport
    client: TestClient[Any, Any]

    async def send(self, verb: str, path: str, **options: Any) -> ClientResponse:
        """Send a request and read the answer; the path goes out exactly as it is given."""
        answer = await self.open(verb, path, **options)
        await answer.read()
        return answer

    async def open(self, verb: str, path: str, **options: Any) -> ClientResponse:
        """Send a request and leave it to the test to read the answer."""
        url = URL(f"http://{self.client.host}:{self.client.port}{path}", encoded=True)
        return await self.client.session.request(verb, url, **options)

    async def get(self, path: str, **options: Any) -> ClientResponse:
        """GET."""
        return await self.send("GET", path, **options)

    async def post(self, path: str, body: bytes = b"", **options: Any) -> ClientResponse:
        """POST."""
        return await self.send("POST", path, data=body, **options)

    async def raw(self, request: bytes) -> tuple[int, dict[str, Any]]:
        """Send bytes on a connection of their own; return status and body of the answer."""
        host, port = self.client.host, self.client.port
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
        writer.close()
        await writer.wait_closed()
        return int(head.split()[1]), json.loads(body)
