"""What a caller may ask for, and where the execution ends up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agentfield.config import Limits
from agentfield.executions.model import Execution, Kind, Status
from agentfield.executions.submission import (
    Claims,
    Declared,
    Submission,
    begin,
    checked_input,
    checked_timeout,
    fingerprint,
    split_target,
)
from agentfield.identity import Caller
from agentfield.v1 import errors

pytestmark = pytest.mark.unit

LIMITS = Limits(
    max_payload_bytes=20, max_depth=3, execute_timeout=90.0, execute_async_timeout=7200.0
)
ANN = Caller(name="ann", roles=frozenset({"client"}))
BOB = Caller(name="bob", roles=frozenset({"client"}))
AGENT = Caller(name="bot", roles=frozenset({"agent"}), nodes=("bill*",))
ASKED = Submission(
    rpc="Execute",
    node_id="billing",
    function="lookup",
    input=b"{}",
    timeout=2.0,
    claims=Claims(),
    caller=ANN,
    execution_id="exec_2",
    run_id="run_new",
)
PARENT = Execution(
    execution_id="exec_1",
    run_id="run_1",
    session_id="sess_1",
    node_id="billing",
    function="main",
    kind=Kind.REASONER,
    depth=1,
    created_by="ann",
    run_owner="root-owner",
    actor_id="actor-1",
    created_at=0,
    expires_at=1,
    status=Status.RUNNING,
)
DECLARED = Declared(kind=Kind.SKILL, idempotent=True)


def begun(
    asked: Submission,
    parent: Execution | None = None,
    run_owner: str | None = None,
    session_owner: str | None = None,
) -> Execution:
    return begin(
        asked,
        DECLARED,
        parent=parent,
        run_owner=run_owner,
        session_owner=session_owner,
        limits=LIMITS,
        now=10,
    )


def nested(caller: Caller = ANN) -> Submission:
    return replace(ASKED, caller=caller, claims=Claims(parent_execution_id="exec_1"))


def test_a_root_begins_a_run_of_its_own() -> None:
    execution = begun(ASKED)

    assert (execution.run_id, execution.depth, execution.parent_execution_id) == (
        "run_new",
        0,
        None,
    )
    assert (execution.created_by, execution.run_owner) == ("ann", "ann")
    assert execution.expires_at == 10 + 2_000_000
    assert (execution.kind, execution.idempotent) == (Kind.SKILL, True)


def test_run_session_and_actor_follow_from_the_parent_whatever_else_is_claimed() -> None:
    asked = replace(
        nested(),
        claims=Claims(parent_execution_id="exec_1", run_id="run_other", session_id="sess_other"),
    )
    execution = begun(asked, PARENT, run_owner="bob", session_owner="ann")

    assert (execution.run_id, execution.session_id, execution.depth) == ("run_1", "sess_1", 2)
    assert (execution.run_owner, execution.actor_id) == ("root-owner", "actor-1")


@pytest.mark.parametrize(
    ("caller", "seen"),
    [
        (ANN, True),
        (BOB, False),
        (AGENT, True),
        (replace(AGENT, nodes=("other",)), False),
        (Caller(name="root-owner", roles=frozenset({"client"})), True),
        (Caller(name="x", roles=frozenset({"admin"})), True),
    ],
)
def test_a_parent_counts_only_for_those_who_may_see_it(caller: Caller, seen: bool) -> None:
    if seen:
        assert begun(nested(caller), PARENT).parent_execution_id == "exec_1"
    else:
        with pytest.raises(errors.ExecutionNotFound, match="exec_1"):
            begun(nested(caller), PARENT)


def test_an_unknown_parent_is_an_error_and_not_a_new_run() -> None:
    with pytest.raises(errors.ExecutionNotFound):
        begun(nested(), None)


@pytest.mark.parametrize("status", [Status.CANCELLED, Status.TIMEOUT])
def test_a_parent_that_was_stopped_starts_nothing_more(status: Status) -> None:
    with pytest.raises(errors.ParentEnded):
        begun(nested(), replace(PARENT, status=status))


def test_nesting_ends_at_the_limit() -> None:
    assert begun(nested(), replace(PARENT, depth=2)).depth == 3
    with pytest.raises(errors.CallTooDeep):
        begun(nested(), replace(PARENT, depth=3))


def test_a_claimed_run_counts_for_its_owner_and_a_new_one_for_anyone() -> None:
    asked = replace(ASKED, claims=Claims(run_id="run_mine"))

    assert begun(asked, run_owner="ann").run_id == "run_mine"
    assert begun(asked, run_owner=None).run_id == "run_mine"
    with pytest.raises(errors.WorkflowNotFound):
        begun(asked, run_owner="bob")


@pytest.mark.parametrize(("owner", "session"), [("ann", "sess_9"), ("bob", None), (None, None)])
def test_a_bare_session_counts_only_for_its_owner(owner: str | None, session: str | None) -> None:
    asked = replace(ASKED, claims=Claims(session_id="sess_9"))

    assert begun(asked, session_owner=owner).session_id == session


@pytest.mark.parametrize("claim", ["a b", "x" * 129, "run\n", "ü"])
def test_malformed_claims_are_refused(claim: str) -> None:
    with pytest.raises(errors.InvalidArgument, match="run_id"):
        Claims(run_id=claim)


@pytest.mark.parametrize(
    ("target", "parts"), [("a.b", ("a", "b")), ("a.b.c", ("a", "b.c")), (" a.b ", ("a", "b"))]
)
def test_a_target_is_split_at_its_first_dot(target: str, parts: tuple[str, str]) -> None:
    assert split_target(target) == parts


@pytest.mark.parametrize("target", ["", "a", "a.", ".b"])
def test_a_malformed_target_is_refused(target: str) -> None:
    with pytest.raises(errors.InvalidArgument, match=r"<node>\.<function>"):
        split_target(target)


def test_input_is_a_json_object_of_an_acceptable_size() -> None:
    assert checked_input(b"", LIMITS) == b"{}"
    assert checked_input(b' {"a": 1.0}', LIMITS) == b' {"a": 1.0}'
    for bad in (b"[1]", b"{", b'{"a": NaN}', b'"\xff"', b"{} x"):
        with pytest.raises(errors.InvalidArgument):
            checked_input(bad, LIMITS)
    with pytest.raises(errors.PayloadTooLarge):
        checked_input(b'{"a": "' + b"x" * 20 + b'"}', LIMITS)


def test_a_timeout_is_positive_and_has_a_default() -> None:
    assert checked_timeout(0, default=90.0, limits=LIMITS) == 90.0
    assert checked_timeout(0.25, default=90.0, limits=LIMITS) == 0.25
    for bad in (-1.0, 8 * 24 * 3600.0, float("nan")):
        with pytest.raises(errors.InvalidArgument, match="timeout"):
            checked_timeout(bad, default=90.0, limits=LIMITS)


@pytest.mark.parametrize(
    "other",
    [
        replace(ASKED, input=b'{"a":1}'),
        replace(ASKED, function="other"),
        replace(ASKED, node_id="other"),
        replace(ASKED, timeout=3.0),
        replace(ASKED, claims=Claims(parent_execution_id="exec_1")),
        replace(ASKED, claims=Claims(actor_id="someone")),
    ],
)
def test_fingerprints_tell_requests_apart(other: Submission) -> None:
    assert fingerprint(other) != fingerprint(ASKED)


def test_fingerprints_do_not_depend_on_ids_of_the_attempt() -> None:
    assert fingerprint(replace(ASKED, execution_id="exec_9", run_id="r")) == fingerprint(ASKED)
