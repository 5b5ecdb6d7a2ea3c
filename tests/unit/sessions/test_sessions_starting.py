"""How a session begins: what is asked for against what is declared, in the order of checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from unit.sessions.stage import DECLARATION

from agentfield.executions.model import Kind, Status
from agentfield.executions.submission import Claims
from agentfield.identity import Caller
from agentfield.sessions.declaration import Declaration, DeclaredLimits
from agentfield.sessions.model import HandlerState, Session, State
from agentfield.sessions.ports import Begun, DeclaredFunction, Found
from agentfield.sessions.starting import (
    SessionCeilings,
    StartRequest,
    begin,
    checked_metadata,
    fingerprint,
    split_target,
)
from agentfield.v1 import errors

pytestmark = pytest.mark.unit

MATRIX = {"openai": ("webrtc", "websocket"), "openrouter": ("audio_turns",)}
PLAIN = replace(DECLARATION, tools=("look",), model="m", voice="v", has_handler=True)
REQUEST = StartRequest(
    node_id="shop",
    name="voice",
    provider="",
    transport="",
    model="",
    voice="",
    metadata=b'{"a":1}',
    claims=Claims(actor_id="ann", traceparent="tp"),
    caller=Caller(name="key-1", roles=frozenset({"client"})),
    request_id="r1",
    session_id="sess_1",
    run_id="run_1",
    root_execution_id="exec_1",
)
FOUND = Found(
    node_exists=True,
    declarations={"voice": PLAIN},
    functions={
        "shop.look": DeclaredFunction(
            node_id="shop", name="look", description="Looks.", input_schema=b"{}"
        )
    },
    sessions_of_target=0,
    sessions_of_caller=0,
    now=1_000_000,
)


def started(
    request: StartRequest = REQUEST,
    declaration: Declaration = PLAIN,
    **found: Any,
) -> Begun:
    return begin(
        request,
        replace(FOUND, **{"declarations": {"voice": declaration}, **found}),
        matrix=MATRIX,
        served=[("openai", "webrtc")],
        ceilings=SessionCeilings(per_target=10, per_caller=5),
    )


# --- the target ---


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        ("shop.voice", ("shop", "voice")),
        ("a.b.c", ("a", "b.c")),
        (" shop . voice ", ("shop", "voice")),
    ],
)
def test_a_target_is_split_at_its_first_dot(target: str, parts: tuple[str, str]) -> None:
    assert split_target(target) == parts


@pytest.mark.parametrize("target", ["", "shop", ".voice", "shop.", " . "])
def test_half_a_target_is_none(target: str) -> None:
    with pytest.raises(errors.InvalidArgument, match=r"session target must be <node>\.<session>"):
        split_target(target)


# --- what forbids it, in order ---

UNKNOWN_NODE = {"node_exists": False, "declarations": {}}
OTHER_ONLY = {"declarations": {"b": PLAIN, "a": PLAIN}}
BAD_PAIR = replace(REQUEST, provider="openrouter", transport="webrtc")
WEBSOCKET = replace(PLAIN, transport="websocket")


@pytest.mark.parametrize(
    ("request_", "declaration", "found", "error", "says"),
    [
        (REQUEST, PLAIN, UNKNOWN_NODE, errors.NodeNotFound, "agent not found"),
        (
            REQUEST,
            PLAIN,
            {"declarations": {}},
            errors.TargetNotFound,
            "agent has no registered sessions",
        ),
        (REQUEST, PLAIN, OTHER_ONLY, errors.TargetNotFound, "session not registered.*: a, b"),
        (
            replace(REQUEST, provider="custom"),
            PLAIN,
            {},
            errors.UnsupportedSessionTransport,
            (
                "Unknown session provider 'custom'. Known providers: openai, openrouter. "
                "Register provider capabilities before using a custom session provider."
            ),
        ),
        (
            BAD_PAIR,
            PLAIN,
            {},
            errors.UnsupportedSessionTransport,
            (
                "Unsupported session transport 'webrtc' for provider 'openrouter'. "
                "Supported transports: audio_turns. AgentField does not infer or switch providers; "
                "set provider and transport explicitly."
            ),
        ),
        (
            replace(REQUEST, transport="websocket"),
            PLAIN,
            {},
            errors.InvalidArgument,
            (
                "session shop.voice is registered for provider=openai transport=webrtc; "
                "requested provider=openai transport=websocket"
            ),
        ),
        (
            REQUEST,
            WEBSOCKET,
            {"sessions_of_caller": 5},
            errors.TransportNotServed,
            "uses transport 'websocket' of provider 'openai', which this server does not serve",
        ),
        (
            REQUEST,
            PLAIN,
            {"sessions_of_caller": 5, "functions": {}},
            errors.SessionLimitReached,
            "There are 5 sessions of this caller at once, and 5 are allowed",
        ),
        (
            REQUEST,
            PLAIN,
            {"functions": {}},
            errors.TargetNotFound,
            "The tool 'look' is no function that a node offers.*'shop.look'",
        ),
    ],
)
def test_what_forbids_a_session_is_told_in_order(
    request_: StartRequest,
    declaration: Declaration,
    found: Mapping[str, Any],
    error: type[errors.AgentFieldError],
    says: str,
) -> None:
    with pytest.raises(error, match=says) as caught:
        started(request_, declaration, **found)
    assert type(caught.value) is error


def test_a_mismatch_names_the_field() -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        started(replace(REQUEST, provider="openrouter", transport="audio_turns"))
    assert caught.value.metadata == {"field": "provider"}
    with pytest.raises(errors.InvalidArgument) as caught:
        started(replace(REQUEST, transport="websocket"))
    assert caught.value.metadata == {"field": "transport"}


def test_what_is_not_served_names_the_pair() -> None:
    with pytest.raises(errors.TransportNotServed) as caught:
        started(declaration=WEBSOCKET)
    assert caught.value.metadata == {"provider": "openai", "transport": "websocket"}


@pytest.mark.parametrize(
    ("declared", "of_target", "of_caller", "limit"),
    [(0, 10, 0, "10"), (3, 3, 0, "3"), (50, 10, 0, "10"), (0, 0, 5, "5")],
)
def test_a_limit_is_told_with_a_time_to_try_again(
    declared: int, of_target: int, of_caller: int, limit: str
) -> None:
    declaration = replace(PLAIN, limits=DeclaredLimits(max_sessions=declared))
    found: dict[str, Any] = {"sessions_of_target": of_target, "sessions_of_caller": of_caller}
    with pytest.raises(errors.SessionLimitReached) as caught:
        started(declaration=declaration, **found)
    assert caught.value.metadata["limit"] == limit
    assert caught.value.retry_after == 1
    lower: dict[str, Any] = {name: max(0, count - 1) for name, count in found.items()}
    assert started(declaration=declaration, **lower)


# --- what begins ---


def test_a_session_is_what_was_declared() -> None:
    begun = started()
    session = begun.session
    assert session == Session(
        session_id="sess_1",
        node_id="shop",
        declaration=PLAIN,
        run_id="run_1",
        root_execution_id="exec_1",
        created_at=1_000_000,
        connect_by=61_000_000,
        metadata=b'{"a":1}',
        handler=HandlerState.RUNNING,
        attempt=1,
        owner_epoch=1,
        instructions="Be kind.",
        tools=session.tools,
        created_by="key-1",
        actor_id="ann",
        traceparent="tp",
    )
    assert session.state is State.PENDING
    assert session.tool_targets == {"look": "shop.look"}
    (event,) = begun.events
    assert event.type == "session.started"
    assert event.data == {
        "target": "shop.voice",
        "provider": "openai",
        "transport": "webrtc",
        "model": "m",
        "voice": "v",
        "has_handler": True,
    }


def test_model_and_voice_are_chosen_at_the_start_only() -> None:
    declaration = started(replace(REQUEST, model="m2", voice="v2")).session.declaration
    assert declaration == replace(PLAIN, model="m2", voice="v2")
    assert started(replace(REQUEST, voice="v2")).session.declaration.model == "m"


def test_provider_and_transport_are_read_in_any_spelling() -> None:
    assert started(replace(REQUEST, provider=" OpenAI", transport="WebRTC ")).session


def test_without_a_handler_there_is_no_attempt() -> None:
    session = started(declaration=replace(PLAIN, has_handler=False)).session
    assert (session.handler, session.attempt) == (HandlerState.NONE, 0)


def test_its_root_is_an_execution_that_outlasts_it() -> None:
    root = started().root
    assert (root.execution_id, root.run_id, root.session_id) == ("exec_1", "run_1", "sess_1")
    assert (root.kind, root.status) == (Kind.SESSION, Status.RUNNING)
    assert (root.node_id, root.function) == ("shop", "voice")
    assert (root.created_by, root.run_owner, root.actor_id) == ("key-1", "key-1", "ann")
    assert root.input == b'{"a":1}'
    assert root.started_at == root.created_at == 1_000_000
    assert root.expires_at == 1_000_000 + (60 + 3600 + 30 + 3600) * 1_000_000


def test_equal_requests_have_equal_fingerprints() -> None:
    again = replace(REQUEST, session_id="other", run_id="other", request_id="other")
    assert fingerprint(REQUEST) == fingerprint(again)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"provider": "openai"},
        {"transport": "webrtc"},
        {"model": "x"},
        {"voice": "x"},
        {"metadata": b"{}"},
        {"claims": Claims(actor_id="bob")},
    ],
)
def test_requests_that_differ_have_other_fingerprints(change: Mapping[str, Any]) -> None:
    assert fingerprint(REQUEST) != fingerprint(replace(REQUEST, **change))


def test_what_moves_from_one_field_to_the_next_is_another_request() -> None:
    one, other = replace(REQUEST, model="ab", voice="c"), replace(REQUEST, model="a", voice="bc")
    assert fingerprint(one) != fingerprint(other)


def test_metadata_is_a_small_json_object() -> None:
    assert checked_metadata(b"") == b"{}"
    assert checked_metadata(b'{ "a": 1 }') == b'{ "a": 1 }'
    for bad in (b"[1]", b"{", b"1"):
        with pytest.raises(errors.InvalidArgument, match="metadata must be a JSON object"):
            checked_metadata(bad)
    biggest = b'{"a":"' + b"x" * (16 * 1024 - 8) + b'"}'
    assert checked_metadata(biggest) == biggest
    with pytest.raises(errors.PayloadTooLarge):
        checked_metadata(biggest[:-2] + b'x"}')
