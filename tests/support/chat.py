"""A server of chat completions: it holds requests against the protocol before it answers them."""

from __future__ import annotations

__all__ = ["ChatServer", "chat_server", "completion"]

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from openai.types.chat import ChatCompletion
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from pydantic import TypeAdapter, ValidationError

_REQUESTS: TypeAdapter[Any] = TypeAdapter(CompletionCreateParamsNonStreaming)


def completion(says: str | None = None, *calls: tuple[str, str]) -> dict[str, Any]:
    """Return an answer that says this and calls functions with these arguments."""
    message: dict[str, Any] = {"role": "assistant", "content": says, "refusal": None}
    if calls:
        message["tool_calls"] = [
            {
                "id": f"call_{number}",
                "type": "function",
                "function": {"name": name, "arguments": of},
            }
            for number, (name, of) in enumerate(calls)
        ]
    reason = "tool_calls" if calls else "stop"
    answer = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": "small",
        "choices": [{"index": 0, "message": message, "finish_reason": reason, "logprobs": None}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14},
    }
    ChatCompletion.model_validate(answer)
    return answer


@dataclass
class ChatServer:
    """What it answers next, and what it was asked."""

    url: str = ""
    key: str = ""
    answers: list[web.Response | dict[str, Any] | asyncio.Event] = field(default_factory=list)
    """An event is waited for before the next one."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request."""
        self.keys.append(request.headers.get("Authorization"))
        if self.key and self.keys[-1] != f"Bearer {self.key}":
            return _refused(401, "invalid_api_key", "Incorrect API key provided.")
        body = await request.json()
        self.requests.append(body)
        wrong = _wrong(body)
        if wrong:
            return _refused(400, "invalid_request_error", wrong)
        answer = self.answers.pop(0)
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            answer = self.answers.pop(0)
        return answer if isinstance(answer, web.Response) else web.json_response(answer)


@asynccontextmanager
async def chat_server(*, key: str = "") -> AsyncIterator[ChatServer]:
    """Serve at ``url``, the base URL of clients."""
    server = ChatServer(key=key)
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        server.url = f"http://{host}:{port}/v1"
        yield server
    finally:
        await runner.cleanup()


def _refused(status: int, code: str, message: str) -> web.Response:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return web.json_response({"error": error}, status=status)


def _wrong(body: Any) -> str:
    """Say what a server would refuse: types, and calls that no result follows at once."""
    try:
        _REQUESTS.validate_python(body)
    except ValidationError as error:
        return str(error)
    if not body["messages"]:
        return "[] is too short - 'messages'"
    if "tool_choice" in body and "tools" not in body:
        return "'tool_choice' is only allowed when 'tools' are specified."
    return _unanswered(body["messages"])


def _unanswered(messages: Sequence[Mapping[str, Any]]) -> str:
    waiting: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                return "messages with role 'tool' must be a response to a preceding 'tool_calls'."
            waiting.remove(message["tool_call_id"])
        elif waiting:
            return "An assistant message with 'tool_calls' must be followed by tool messages."
        waiting += [call["id"] for call in message.get("tool_calls") or ()]
    return "tool messages are missing" if waiting else ""
