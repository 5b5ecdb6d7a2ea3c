"""A chat endpoint decides and words replies; when it cannot, that is one clear error."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
from aiohttp import web
from support.chat import ChatServer, chat_server, completion

from agentfield.simulator import Call, Reply
from agentfield.simulator.mind import ChatFailed, ChatMind
from agentfield.simulator.senses import Thought, Tool

pytestmark = pytest.mark.integration

KEY = "sk-secret-of-the-owner"
WORDS = "my secret order"
FIND = Tool(
    name="find_order",
    description="Find an order.",
    parameters={"type": "object", "properties": {"id": {"type": "integer"}}},
)


@pytest.fixture
async def server() -> AsyncIterator[ChatServer]:
    async with chat_server(key=KEY) as server:
        yield server


def message(role: str, text: str) -> Mapping[str, Any]:
    kind = "text" if role == "system" else "transcript"
    return {"type": "message", "role": role, "content": [{"type": "any", kind: text}]}


def call(call_id: str, arguments: str = "{}") -> Mapping[str, Any]:
    about = {"name": "find_order", "arguments": arguments}
    return {"type": "function_call", "call_id": call_id, **about}


def output(call_id: str, text: str) -> Mapping[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": text}


async def ask(
    server: ChatServer,
    *items: Mapping[str, Any],
    instructions: str = "",
    tools: Sequence[Tool] = (FIND,),
    must_call: str | None = None,
    key: str = KEY,
) -> Reply:
    mind = ChatMind(server.url, "small", key)
    return await mind.reply(
        Thought(instructions=instructions, tools=tools, must_call=must_call, items=items)
    )


async def test_it_says_and_calls_what_the_model_does(server: ChatServer) -> None:
    server.answers = [completion("One moment.", ("find_order", '{"id": 7}'))]
    reply = await ask(server, message("user", "Where is order 7?"), instructions="Be brief.")
    assert reply == Reply(
        says="One moment.", calls=[Call(name="find_order", arguments='{"id": 7}')]
    )
    assert server.requests == [
        {
            "model": "small",
            "stream": False,
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Where is order 7?"},
            ],
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "find_order",
                        "description": "Find an order.",
                        "parameters": FIND.parameters,
                    },
                }
            ],
        }
    ]
    assert server.keys == [f"Bearer {KEY}"]


async def test_results_follow_their_calls_whatever_was_said_in_between(server: ChatServer) -> None:
    server.answers = [completion("It ships today.")]
    await ask(
        server,
        message("user", "Where are orders 7 and 8?"),
        message("assistant", "One moment."),
        call("call_a"),
        call("call_b"),
        message("user", "Please hurry."),
        output("call_b", "lost"),
        message("system", "It is late."),
        call("call_c"),
    )

    def tool_call(call_id: str) -> dict[str, Any]:
        function = {"name": "find_order", "arguments": "{}"}
        return {"id": call_id, "type": "function", "function": function}

    assert server.requests[0]["messages"] == [
        {"role": "user", "content": "Where are orders 7 and 8?"},
        {
            "role": "assistant",
            "content": "One moment.",
            "tool_calls": [tool_call("call_a"), tool_call("call_b")],
        },
        {"role": "tool", "tool_call_id": "call_a", "content": "There is no result yet."},
        {"role": "tool", "tool_call_id": "call_b", "content": "lost"},
        {"role": "user", "content": "Please hurry."},
        {"role": "system", "content": "It is late."},
        {"role": "assistant", "content": None, "tool_calls": [tool_call("call_c")]},
        {"role": "tool", "tool_call_id": "call_c", "content": "There is no result yet."},
    ]


@pytest.mark.parametrize(
    ("must_call", "choice"),
    [
        ("", "required"),
        ("find_order", {"type": "function", "function": {"name": "find_order"}}),
        (None, None),
    ],
)
async def test_a_tool_that_must_be_called_is_asked_for(
    server: ChatServer, must_call: str | None, choice: Any
) -> None:
    server.answers = [completion(None, ("find_order", "{}"))]
    await ask(server, message("user", "Hello."), must_call=must_call)
    assert server.requests[0].get("tool_choice") == choice


async def test_a_conversation_that_is_empty_can_begin(server: ChatServer) -> None:
    server.answers = [completion("Good morning.")]
    assert (await ask(server, tools=[])).says == "Good morning."
    assert "tools" not in server.requests[0]


async def test_what_a_model_says_to_itself_is_not_spoken(server: ChatServer) -> None:
    server.answers = [completion("<think>They greet me.\nSo do I.</think>\n\nHello.")]
    assert (await ask(server, message("user", "Hello."))).says == "Hello."


async def test_without_a_key_none_is_sent() -> None:
    async with chat_server() as server:
        server.answers = [completion("Hello.")]
        await ask(server, message("user", "Hello."), key="")
        assert server.keys == [None]


def redirected() -> web.Response:
    return web.Response(status=307, headers={"Location": "http://127.0.0.1:1/v1/chat/completions"})


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (web.json_response({"error": {"message": WORDS}}, status=404), "no such path or model"),
        (web.json_response({"error": {"message": WORDS}}, status=429), "answered 429, it has too"),
        (web.json_response({"error": {"message": WORDS}}, status=500), "answered 500"),
        (redirected(), "answered 307"),
        (web.Response(text=WORDS), "not JSON"),
        (web.json_response([WORDS]), "it has no message"),
        (web.json_response({"choices": []}), "it has no message"),
        (completion(""), "neither says nor calls"),
        (completion("<think>Hm.</think>"), "neither says nor calls"),
        ({"choices": [{"message": {"content": [WORDS]}}]}, "not text"),
        ({"choices": [{"message": {"tool_calls": [{"function": WORDS}]}}]}, "no function"),
        ({"choices": [{"message": {"tool_calls": WORDS}}]}, "no function"),
        ({"choices": [{"message": {"tool_calls": 7}}]}, "no function"),
        (web.Response(text="[" + "1," * 600_000 + "1]"), "more than"),
        (web.Response(text="[" * 200_000), "not JSON"),
    ],
)
async def test_an_endpoint_that_gives_no_answer_is_one_error_without_anybodys_words(
    server: ChatServer, answer: Any, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.answers = [answer]
    with pytest.raises(ChatFailed, match=told) as raised:
        await ask(server, message("user", WORDS))
    trace = "".join(traceback.format_exception(raised.value)) + caplog.text
    assert KEY not in trace
    assert WORDS not in trace


async def test_a_wrong_key_is_said_to_be_one(server: ChatServer) -> None:
    with pytest.raises(ChatFailed, match="answered 401, it does not accept the key") as raised:
        await ask(server, message("user", "Hello."), key="sk-another")
    assert "sk-another" not in str(raised.value)


async def test_an_endpoint_that_takes_too_long_is_given_up(server: ChatServer) -> None:
    release = asyncio.Event()
    server.answers = [release, completion("Too late.")]
    mind = ChatMind(server.url, "small", KEY, seconds=0.05)
    hello = Thought(instructions="", tools=[], must_call=None, items=[message("user", "Hello.")])
    with pytest.raises(ChatFailed, match=r"did not answer within 0\.05 s"):
        await mind.reply(hello)
    release.set()


async def test_an_endpoint_that_is_not_there_cannot_be_reached(server: ChatServer) -> None:
    async with chat_server() as gone:
        pass
    with pytest.raises(ChatFailed, match=r"at http://127\.0\.0\.1:\d+ cannot be reached"):
        await ask(gone, message("user", "Hello."))


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/v1", "127.0.0.1:8080/v1", "http://", f"http://me:{KEY}@127.0.0.1/v1"]
)
def test_what_is_no_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="the chat endpoint") as raised:
        ChatMind(url, "small", "")
    assert KEY not in str(raised.value)


def test_a_key_that_fits_into_no_header_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="the chat endpoint's key") as raised:
        ChatMind("http://127.0.0.1/v1", "small", f"{KEY}\n")
    assert KEY not in str(raised.value)
