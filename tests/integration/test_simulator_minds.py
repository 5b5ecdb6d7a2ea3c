"""Minds answer clients of the protocol: they ask back, call a function and tell what it returned."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from openai import AsyncOpenAI
from support.chat import chat_server, completion

from agentfield.simulator import running
from agentfield.simulator.conformance import violations
from agentfield.simulator.mind import ChatMind, LocalMind
from agentfield.simulator.senses import Mind

pytestmark = pytest.mark.integration

TIMER = {
    "type": "function",
    "name": "start_timer",
    "description": "Start a timer.",
    "parameters": {
        "type": "object",
        "properties": {"minutes": {"type": "integer", "description": "How many minutes"}},
        "required": ["minutes"],
    },
}


class Talk:
    """A conversation in text, as a client of the protocol has it."""

    def __init__(self, session: Any) -> None:
        self._session = session

    async def says(self, text: str) -> Any:
        """Say something; returns the response."""
        content = [{"type": "input_text", "text": text}]
        return await self._adds({"type": "message", "role": "user", "content": content})

    async def returns(self, call: Any, output: Mapping[str, Any]) -> Any:
        """Answer a function call; returns the response."""
        about = {"type": "function_call_output", "call_id": call.call_id}
        return await self._adds({**about, "output": json.dumps(output)})

    async def _adds(self, item: Mapping[str, Any]) -> Any:
        await self._session.conversation.item.create(item=item)
        await self._session.response.create()
        async for event in self._session:
            if event.type == "response.done":
                return event.response
        return None


@asynccontextmanager
async def talking(mind: Mind) -> AsyncIterator[Talk]:
    async with (
        running(mind=mind) as simulator,
        AsyncOpenAI(base_url=simulator.base_url, api_key="any") as client,
    ):
        async with client.realtime.connect(model="gpt-realtime") as session:
            wanted: Any = {"type": "realtime", "output_modalities": ["text"], "tools": [TIMER]}
            await session.session.update(session=wanted)
            yield Talk(session)
        assert violations(simulator.journal.entries()) == []


def text(response: Any) -> str:
    return str(response.output[0].content[0].text)


async def test_the_local_mind_asks_calls_and_tells() -> None:
    async with talking(LocalMind()) as talk:
        assert text(await talk.says("Could you start a timer?")) == "How many minutes?"
        [call] = (await talk.says("Twenty, please.")).output
        assert (call.name, json.loads(call.arguments)) == ("start_timer", {"minutes": 20})
        told = await talk.returns(call, {"spoken_response": "It rings at noon."})
        assert text(told) == "It rings at noon."
        failed = await talk.returns(call, {"error": {"message": "no timer is left"}})
        assert text(failed) == "That did not work: no timer is left."
        assert text(await talk.says("Thank you!")) == "You are welcome."


async def test_a_chat_model_calls_and_tells_and_its_failure_is_a_failed_response() -> None:
    async with chat_server() as server, talking(ChatMind(server.url, "small")) as talk:
        server.answers = [
            completion("One moment.", ("start_timer", '{"minutes": 20}')),
            completion("It rings at noon."),
            {"choices": []},
            completion("Here I am again."),
        ]
        said, call = (await talk.says("Start a timer.")).output
        assert said.content[0].text == "One moment."
        assert text(await talk.returns(call, {"at": "noon"})) == "It rings at noon."
        assert server.requests[1]["messages"][-1]["content"] == '{"at": "noon"}'
        assert (await talk.says("Are you there?")).status == "failed"
        assert text(await talk.says("And now?")) == "Here I am again."
