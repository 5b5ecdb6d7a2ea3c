"""The life of a session: every state and what may become of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.sessions.stage import SESSION

from agentfield.sessions.model import (
    EndReason,
    Session,
    State,
    connecting,
    ended,
    failed_by,
    live,
    session_ended,
    unconnected,
)
from agentfield.v1 import errors

pytestmark = pytest.mark.unit

OVER = replace(
    SESSION, state=State.ENDED, end_reason=EndReason.IDLE_TIMEOUT, end_detail="quiet", ended_at=5
)


def in_state(state: State) -> Session:
    return OVER if state is State.ENDED else replace(SESSION, state=state, generation=1)


@pytest.mark.parametrize(
    ("before", "event", "after"),
    [
        (State.PENDING, "offer", State.CONNECTING),
        (State.CONNECTING, "offer", State.CONNECTING),
        (State.LIVE, "offer", errors.SessionAlreadyConnected),
        (State.ENDED, "offer", errors.SessionEnded),
        (State.PENDING, "live", State.PENDING),
        (State.CONNECTING, "live", State.LIVE),
        (State.LIVE, "live", State.LIVE),
        (State.ENDED, "live", State.ENDED),
        (State.PENDING, "end", State.ENDED),
        (State.CONNECTING, "end", State.ENDED),
        (State.LIVE, "end", State.ENDED),
        (State.ENDED, "end", State.ENDED),
        (State.PENDING, "offer refused", State.PENDING),
        (State.CONNECTING, "offer refused", State.PENDING),
        (State.LIVE, "offer refused", State.LIVE),
        (State.ENDED, "offer refused", State.ENDED),
    ],
)
def test_every_state_knows_what_becomes_of_it(
    before: State, event: str, after: State | type[errors.AgentFieldError]
) -> None:
    def happen(session: Session) -> Session:
        match event:
            case "offer":
                return connecting(session, generation=2)
            case "live":
                return live(session, now=7)
            case "offer refused":
                return unconnected(session)
        return ended(session, EndReason.API_ENDED, "done", now=7)

    if isinstance(after, State):
        assert happen(in_state(before)).state is after
    else:
        with pytest.raises(after):
            happen(in_state(before))


def test_an_offer_begins_a_generation() -> None:
    assert connecting(in_state(State.CONNECTING), generation=2).generation == 2


def test_the_time_of_the_first_life_is_kept() -> None:
    first = live(in_state(State.CONNECTING), now=7)
    assert first.live_at == 7
    again = live(connecting(replace(first, state=State.CONNECTING), generation=2), now=9)
    assert again.live_at == 7


def test_the_first_end_counts() -> None:
    once = ended(in_state(State.LIVE), EndReason.API_ENDED, "x" * 2000, now=7)
    assert (once.end_reason, once.ended_at) == (EndReason.API_ENDED, 7)
    assert once.end_detail == "x" * 1000
    assert ended(once, EndReason.MAX_DURATION, "later", now=9) is once


@pytest.mark.parametrize("reason", list(EndReason))
def test_a_root_execution_fails_only_with_what_went_wrong_inside(reason: EndReason) -> None:
    failures = {
        EndReason.PROVIDER_ERROR: "PROVIDER_FAILED",
        EndReason.HANDLER_FAILED: "EXECUTION_FAILED",
        EndReason.AGENT_LOST: "AGENT_LOST",
        EndReason.INTERNAL_ERROR: "INTERNAL",
    }
    assert failed_by(reason) == failures.get(reason)


def test_whoever_comes_too_late_is_told_why_it_ended() -> None:
    error = session_ended(OVER)
    assert error.message == "Session 'sess_1' has ended (idle_timeout)."
    assert error.metadata == {"session_id": "sess_1", "end_reason": "idle_timeout"}


def test_a_second_offer_of_a_live_session_is_told_that_it_is_connected() -> None:
    with pytest.raises(errors.SessionAlreadyConnected) as caught:
        connecting(in_state(State.LIVE), generation=2)
    assert caught.value.metadata == {"session_id": "sess_1"}


def test_a_session_is_found_by_its_node_and_name() -> None:
    assert SESSION.target == "shop.voice"
    assert SESSION.tool_targets == {"look": "shop.look", "talk": "shop.talk"}
