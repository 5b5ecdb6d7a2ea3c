"""What a start token is, and what a start with one may ask for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from unit.sessions.test_sessions_starting import REQUEST, started

from agentfield.executions.submission import Claims
from agentfield.identity import Caller, StartGrant
from agentfield.sessions.start_tokens import checked_ttl, checked_uses, new_token
from agentfield.sessions.starting import StartRequest, fingerprint
from agentfield.v1 import errors

pytestmark = pytest.mark.unit

ID = "start_1"
GRANT = StartGrant(token_id=ID, target="shop.voice", actor_id="bob")
HOLDER = Caller(name="key-1", roles=frozenset({"start"}), start=GRANT)
BARE = replace(REQUEST, caller=HOLDER, metadata=b"{}")


def test_a_token_is_recognised_and_cannot_be_guessed() -> None:
    tokens = {new_token() for _ in range(100)}

    assert len(tokens) == 100
    # 32 bytes in base64 of six bits a character.
    assert {(token[:4], len(token)) for token in tokens} == {("afs_", 4 + 43)}


@pytest.mark.parametrize(("asked", "given"), [(None, 600.0), (1.0, 1.0), (3600.0, 3600.0)])
def test_a_token_is_good_for_at_most_an_hour(asked: float | None, given: float) -> None:
    assert checked_ttl(asked) == given


@pytest.mark.parametrize("ttl", [-1.0, 0.0, 0.5, 3600.001, 1e12])
def test_a_token_is_not_good_for_longer_nor_for_no_time(ttl: float) -> None:
    with pytest.raises(errors.InvalidArgument, match="1 to 3600 seconds") as caught:
        checked_ttl(ttl)

    assert caught.value.metadata == {"field": "ttl"}


@pytest.mark.parametrize(("asked", "given"), [(0, 1), (1, 1), (1000, 1000)])
def test_a_token_starts_one_session_unless_more_are_asked_for(asked: int, given: int) -> None:
    assert checked_uses(asked) == given


@pytest.mark.parametrize("uses", [-1, 1001])
def test_a_token_starts_no_more_than_a_thousand(uses: int) -> None:
    with pytest.raises(errors.InvalidArgument, match="1 to 1000 sessions") as caught:
        checked_uses(uses)

    assert caught.value.metadata == {"field": "uses"}


def test_what_a_token_starts_is_of_its_maker_and_for_whom_that_one_acted() -> None:
    begun = started(BARE)

    assert (begun.session.created_by, begun.session.actor_id) == ("key-1", "bob")
    assert (begun.root.created_by, begun.root.actor_id) == ("key-1", "bob")
    assert begun.events[0].data["start_token_id"] == ID
    assert "start_token_id" not in started().events[0].data


def test_whom_its_holder_names_makes_no_other_request_of_it() -> None:
    other = replace(BARE, claims=Claims(actor_id="mallory"))

    assert fingerprint(other) == fingerprint(BARE)


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (replace(BARE, name="sales"), r"starts shop\.voice alone, not shop\.sales"),
        (replace(BARE, node_id="none"), r"starts shop\.voice alone, not none\.voice"),
        (replace(BARE, model="m2"), "its model can be chosen"),
        (replace(BARE, voice="v2"), "its voice can be chosen"),
        (replace(BARE, metadata=b'{"a":1}'), "its metadata can be chosen"),
    ],
)
def test_a_start_goes_no_further_than_its_token(request_: StartRequest, says: str) -> None:
    with pytest.raises(errors.PermissionDenied, match=says):
        started(request_)


@pytest.mark.parametrize("pair", [{}, {"provider": "openai", "transport": "webrtc"}])
def test_a_start_with_a_token_may_name_what_it_expects(pair: dict[str, Any]) -> None:
    assert started(replace(BARE, **pair)).session.target == "shop.voice"


def test_the_holder_of_a_token_sees_nothing() -> None:
    assert not HOLDER.may_see(owners=["key-1"], node_id="shop", session_id=None)
    assert not HOLDER.may_see(owners=["key-1"], node_id="shop", session_id="sess_1")
    assert not HOLDER.may_serve("shop")
    assert not HOLDER.may_call(frozenset())
