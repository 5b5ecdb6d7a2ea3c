"""The sessions a node declares, and what the holder of a session's token may see."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agentfield.config import Limits
from agentfield.executions.model import Execution, Kind
from agentfield.executions.submission import Claims, Submission, begin
from agentfield.executions.submission import Declared as DeclaredFunction
from agentfield.identity import Caller
from agentfield.nodes.model import MAX_SESSIONS, Function, Registration, checked_registration
from agentfield.sessions.declaration import Declaration
from agentfield.v1 import errors

pytestmark = pytest.mark.unit

TALK = Declaration(name="talk", provider="OpenAI", transport="webrtc", metadata=b"")
REGISTERED = Registration(
    node_id="n",
    instance_id="w",
    version="",
    description="",
    functions=(Function(name="look", kind="skill"),),
    sessions=(TALK,),
    matrix={"openai": ["webrtc"]},
)


def check(registration: Registration, max_bytes: int = 1000) -> Registration:
    return checked_registration(registration, max_bytes=max_bytes)


def test_sessions_are_put_into_the_contracts_words() -> None:
    assert check(REGISTERED).sessions == (replace(TALK, provider="openai", metadata=b"{}"),)


def test_a_pair_that_the_contract_does_not_know_is_refused() -> None:
    with pytest.raises(errors.UnsupportedSessionTransport):
        check(replace(REGISTERED, sessions=(replace(TALK, transport="websocket"),)))
    with pytest.raises(errors.UnsupportedSessionTransport):
        check(replace(REGISTERED, matrix={}))


@pytest.mark.parametrize("other", [TALK, replace(TALK, name="look")])
def test_names_are_unique_among_functions_and_sessions(other: Declaration) -> None:
    with pytest.raises(errors.InvalidArgument, match="twice") as caught:
        check(replace(REGISTERED, sessions=(TALK, other)))
    assert caught.value.metadata == {"field": "sessions"}


def test_a_node_declares_so_many_sessions_and_no_more() -> None:
    sessions = tuple(replace(TALK, name=f"s{number}") for number in range(MAX_SESSIONS + 1))
    assert len(check(replace(REGISTERED, sessions=sessions[1:]), 10_000).sessions) == MAX_SESSIONS

    with pytest.raises(errors.InvalidArgument, match="at most 1000 sessions"):
        check(replace(REGISTERED, sessions=sessions))


def test_instructions_and_metadata_count_against_the_size() -> None:
    large = replace(TALK, instructions="x" * 60, metadata=b'{"a":"' + b"x" * 32 + b'"}')
    alone = replace(REGISTERED, functions=(), sessions=(large,))
    assert len(check(alone, 100).sessions) == 1

    with pytest.raises(errors.PayloadTooLarge):
        check(alone, 99)


TOKEN = Caller(name="web", roles=frozenset({"session"}), session_id="sess_1")
KEY = Caller(name="web", roles=frozenset({"client"}))


def test_a_sessions_token_shows_what_belongs_to_it_and_nothing_else() -> None:
    def sees(caller: Caller, session_id: str | None) -> bool:
        return caller.may_see(owners=("web", "web"), node_id="n", session_id=session_id)

    assert [sees(TOKEN, session_id) for session_id in ("sess_1", "sess_2", None)] == [
        True,
        False,
        False,
    ]
    assert not TOKEN.may_see(owners=("web",), node_id="n")
    assert [sees(KEY, session_id) for session_id in ("sess_1", "sess_2", None)] == [True] * 3
    assert (TOKEN.is_session, KEY.is_session) == (True, False)


def test_a_sessions_token_opens_what_is_open_to_sessions() -> None:
    assert TOKEN.may_call(frozenset({"client", "session"}))
    assert not TOKEN.may_call(frozenset({"client", "agent"}))
    assert not TOKEN.is_admin
    assert not TOKEN.may_serve("n")
    assert not TOKEN.may_act_for("n", "")


def test_a_sessions_token_makes_nobody_a_parent() -> None:
    parent = Execution(
        execution_id="exec_1",
        run_id="run_1",
        session_id="sess_1",
        node_id="n",
        function="talk",
        kind=Kind.SESSION,
        created_at=0,
        expires_at=1,
        created_by="web",
        run_owner="web",
    )
    submission = Submission(
        rpc="ExecuteAsync",
        node_id="n",
        function="look",
        input=b"{}",
        timeout=1.0,
        claims=Claims(parent_execution_id="exec_1"),
        caller=TOKEN,
        execution_id="exec_2",
        run_id="run_2",
    )
    limits = Limits(
        max_payload_bytes=100, max_depth=3, execute_timeout=1.0, execute_async_timeout=1.0
    )

    def child(caller: Caller) -> Execution:
        return begin(
            replace(submission, caller=caller),
            DeclaredFunction(kind=Kind.SKILL, idempotent=False),
            parent=parent,
            run_owner=None,
            session_owner=None,
            limits=limits,
            now=0,
        )

    assert child(KEY).session_id == "sess_1"
    with pytest.raises(errors.ExecutionNotFound):
        child(TOKEN)
