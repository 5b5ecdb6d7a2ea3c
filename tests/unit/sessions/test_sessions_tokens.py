"""Session tokens: good for one session, until a minute after its end."""

from __future__ import annotations

import pytest
from unit.sessions.stage import SESSION

from agentfield.sessions.ports import StoredToken
from agentfield.sessions.tokens import PREFIX, expires_at, hashed, holder, new_token

pytestmark = pytest.mark.unit


def stored(*, ended_at: int | None = None) -> StoredToken:
    return StoredToken(
        session_id="sess_1", created_by="key-1", expires_at=1000 * 10**6, ended_at=ended_at
    )


@pytest.mark.parametrize(
    ("token", "now", "good"),
    [
        (None, 0, False),
        (stored(), 1000 * 10**6 - 1, True),
        (stored(), 1000 * 10**6, False),
        (stored(ended_at=100 * 10**6), 160 * 10**6 - 1, True),
        (stored(ended_at=100 * 10**6), 160 * 10**6, False),
        (stored(ended_at=0), 60 * 10**6, False),
    ],
)
def test_a_token_is_good_until_a_minute_after_its_sessions_end(
    token: StoredToken | None, now: int, good: bool
) -> None:
    assert (holder(token, now) is not None) is good


def test_whoever_shows_a_token_may_see_its_session_only() -> None:
    caller = holder(stored(), 0)
    assert caller is not None
    assert (caller.name, caller.session_id) == ("key-1", "sess_1")
    assert caller.roles == {"session"}
    assert caller.may_see(owners=["key-1"], node_id="shop", session_id="sess_1")
    assert not caller.may_see(owners=["key-1"], node_id="shop", session_id="sess_2")


def test_a_token_outlives_the_longest_session_by_a_minute() -> None:
    assert expires_at(SESSION) == SESSION.connect_by + (3600 + 60) * 1_000_000


def test_tokens_are_unlike_each_other_and_kept_as_hashes() -> None:
    one, other = new_token(), new_token()
    assert one != other
    assert one.startswith(PREFIX)
    assert len(one) >= 40
    assert hashed(one) != hashed(other)
    assert len(hashed(one)) == 32
    assert one.encode() not in hashed(one)
