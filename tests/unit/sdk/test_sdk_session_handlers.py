"""The functions that are declared to be handlers of sessions."""

from __future__ import annotations

from typing import Any

import pytest
from unit.sdk.declared import OPENAI, TURNS

from agentfield_sdk import (
    Agent,
    InvalidDeclaration,
    RealtimeSession,
)

pytestmark = pytest.mark.unit


async def takes_nothing() -> None:
    pass


async def handler(session: RealtimeSession) -> None:
    pass


def test_a_handler_stays_what_it_was() -> None:
    assert Agent("node").session("voice", **OPENAI)(handler) is handler


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (lambda _: None, "async function"),
        (print, "async function"),
        (takes_nothing, "one argument"),
    ],
)
def test_a_handler_is_an_async_function_of_the_session(wrong: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        Agent("node").session("voice", **OPENAI)(wrong)


def test_a_node_has_a_session_of_a_name_once() -> None:
    app = Agent("node")
    app.session("voice", **OPENAI)(handler)

    with pytest.raises(InvalidDeclaration, match="has a session 'voice' already"):
        app.add_session("voice", **OPENAI)
    with pytest.raises(InvalidDeclaration, match="has a session 'voice' already"):
        app.session("voice", **OPENAI)(handler)


def test_a_session_has_no_name_of_a_function_nor_a_function_one_of_a_session() -> None:
    app = Agent("node")
    app.reasoner("think")(lambda: 1)
    app.add_session("voice", **OPENAI)

    with pytest.raises(InvalidDeclaration, match="has a function 'think' already"):
        app.add_session("think", **OPENAI)
    with pytest.raises(InvalidDeclaration, match="has a function 'think' already"):
        app.session("think", **OPENAI)(handler)
    with pytest.raises(InvalidDeclaration, match="has a session 'voice' already"):
        app.skill("voice")(lambda: 1)
    registered = app._registration()
    assert [function.name for function in registered.functions] == ["think"]
    assert [session.name for session in registered.sessions] == ["voice"]


def test_a_session_without_parentheses_is_told_how_it_is_written() -> None:
    with pytest.raises(TypeError) as refusal:
        Agent("node").session(handler)  # type: ignore[arg-type]

    assert str(refusal.value) == (
        'A session has a name: write @app.session("name", provider=…, transport=…).'
    )


def test_a_node_tells_which_of_its_sessions_have_a_handler() -> None:
    app = Agent("node")
    app.session("led", **OPENAI)(handler)
    app.add_session("free", **TURNS, model="m")

    sessions = app._registration().sessions

    assert [(s.name, s.has_handler) for s in sessions] == [("led", True), ("free", False)]
