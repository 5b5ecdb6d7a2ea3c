"""A mind that is asked for over HTTP: any server of OpenAI-compatible chat completions."""

from __future__ import annotations

__all__ = ["ChatFailed", "ChatMind"]

import json
from typing import Any

import aiohttp
from yarl import URL

from agentfield.simulator.mind.messages import Malformed, reply_of, request_of
from agentfield.simulator.script import Reply
from agentfield.simulator.senses import SenseFailed, Thought

_LARGEST = 1_048_576
"""Bytes of the largest answer that is read."""
_HINTS = {
    401: ", it does not accept the key",
    403: ", it does not accept the key",
    404: ", it knows no such path or model",
    429: ", it has too much to do",
}


class ChatFailed(SenseFailed):
    """The endpoint gave no usable answer. Its text holds no key and nothing that anybody said."""


class ChatMind:
    """Has a chat model decide and word each reply; it keeps nothing between them.

    ``url`` is what clients call the base URL, such as ``http://127.0.0.1:11434/v1``; the key goes to
    it alone, redirections are not followed. Without a ``key`` none is sent. ``seconds`` is how long
    an answer may take.
    """

    def __init__(self, url: str, model: str, key: str = "", *, seconds: float = 25.0) -> None:
        base = URL(url)
        if base.scheme not in {"http", "https"} or not base.host:
            raise ValueError("the chat endpoint must be an address with http:// or https://")
        if base.user or base.password:
            raise ValueError("the chat endpoint's address must not hold a key; give it as the key")
        if not (key.isascii() and key.isprintable()):
            raise ValueError("the chat endpoint's key must be one line of plain characters")
        self._url = base.with_query(None).with_fragment(None) / "chat" / "completions"
        self._model = model
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._timeout = aiohttp.ClientTimeout(total=seconds)

    async def reply(self, thought: Thought) -> Reply:
        """Return what the model says and calls. Raises ChatFailed."""
        body = request_of(thought, model=self._model)
        try:
            answer = await self._post(body)
        except TimeoutError:
            raise self._failed(f"did not answer within {self._timeout.total:g} s") from None
        except aiohttp.ClientError as error:
            raise self._failed(f"cannot be reached ({type(error).__name__})") from None
        try:
            return reply_of(answer)
        except Malformed as malformed:
            raise self._failed(f"gave an answer that is none: {malformed}") from None

    async def _post(self, body: dict[str, Any]) -> Any:
        async with (
            aiohttp.ClientSession(timeout=self._timeout, headers=self._headers) as session,
            session.post(self._url, json=body, allow_redirects=False) as response,
        ):
            if response.status != 200:
                hint = _HINTS.get(response.status, "")
                raise self._failed(f"answered {response.status}{hint}")
            return self._read(await _limited(response))

    def _read(self, answer: bytes | None) -> Any:
        if answer is None:
            raise self._failed(f"gave an answer of more than {_LARGEST} bytes")
        try:
            return json.loads(answer)
        except (ValueError, RecursionError):
            raise self._failed("gave an answer that is not JSON") from None

    def _failed(self, what: str) -> ChatFailed:
        return ChatFailed(f"the chat endpoint at {self._url.origin()} {what}")


async def _limited(response: aiohttp.ClientResponse) -> bytes | None:
    """Read an answer; None if there is too much of it."""
    whole = bytearray()
    async for piece in response.content.iter_any():
        whole += piece
        if len(whole) > _LARGEST:
            return None
    return bytes(whole)
