"""Every state of an execution meets every event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from agentfield.executions.model import (
    Execution,
    Failure,
    Kind,
    Report,
    Status,
    accepted,
    cancelled,
    claimed,
    expired,
    lost,
    reported,
    returned,
)
from agentfield.v1 import errors

pytestmark = pytest.mark.unit

NOW = 1_000_000
DUE = 90_000_000

WAITING = Execution(
    execution_id="exec_1",
    run_id="run_1",
    node_id="billing",
    function="lookup",
    kind=Kind.SKILL,
    created_at=0,
    expires_at=DUE,
)
CLAIMED = claimed(WAITING, worker_id="reg_1", instance_id="w1", now=NOW)
RUNNING = accepted(CLAIMED, attempt=1, now=NOW)
LOST = lost(RUNNING, now=NOW)


def ended(status: Status) -> Execution:
    failure = None if status is Status.SUCCEEDED else Failure(reason="X", message="x")
    return replace(RUNNING, status=status, completed_at=NOW, failure=failure)


STATES = {
    "waiting": WAITING,
    "claimed": CLAIMED,
    "running": RUNNING,
    "succeeded": ended(Status.SUCCEEDED),
    "failed": ended(Status.FAILED),
    "cancelled": ended(Status.CANCELLED),
    "timeout": ended(Status.TIMEOUT),
    "lost": LOST,
}

SUCCESS = Report(attempt=1, status=Status.SUCCEEDED, result=b"1")
FAILURE = Report(
    attempt=1,
    status=Status.FAILED,
    failure=Failure(reason=errors.ExecutionFailed.reason, message="no"),
)

EVENTS: dict[str, Callable[[Execution], Execution]] = {
    "accept": lambda e: accepted(e, attempt=1, now=NOW),
    "return": returned,
    "lose": lambda e: lost(e, now=NOW),
    "lose idempotent": lambda e: lost(replace(e, idempotent=True), now=NOW),
    "cancel": lambda e: cancelled(e, reason="enough", now=NOW),
    "expire": lambda e: expired(e, now=DUE),
    "expire early": lambda e: expired(e, now=DUE - 1),
    "report running": lambda e: reported(e, Report(attempt=1, status=Status.RUNNING), now=NOW),
    "report success": lambda e: reported(e, SUCCESS, now=NOW),
    "report failure": lambda e: reported(e, FAILURE, now=NOW),
    "report stale": lambda e: reported(e, replace(SUCCESS, attempt=2), now=NOW),
}

SAME, SUPERSEDED, LATE = "same", "superseded", "late"
EXPECTED = {
    #           accept     return    lose      lose idem. cancel       expire     early
    "waiting": [SAME, "queued", "failed", "queued", "cancelled", "timeout", SAME],
    "claimed": ["running", "queued", "failed", "queued", "cancelled", "timeout", SAME],
    "running": [SAME, "queued", "failed", "queued", "cancelled", "timeout", SAME],
    **dict.fromkeys(["succeeded", "failed", "cancelled", "timeout", "lost"], [SAME] * 7),
}
EXPECTED_REPORTS = {
    #           running     success      failure     stale
    "waiting": [SUPERSEDED, SUPERSEDED, SUPERSEDED, SUPERSEDED],
    "claimed": ["running", "succeeded", "failed", SUPERSEDED],
    "running": [SAME, "succeeded", "failed", SUPERSEDED],
    "succeeded": [SAME, SAME, SAME, SUPERSEDED],
    "failed": [SAME, SAME, SAME, SUPERSEDED],
    "cancelled": [SAME, LATE, LATE, SUPERSEDED],
    "timeout": [SAME, LATE, LATE, SUPERSEDED],
    "lost": [SAME, LATE, LATE, SUPERSEDED],
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(("position", "event"), list(enumerate(EVENTS)))
def test_every_state_meets_every_event(state: str, position: int, event: str) -> None:
    before = STATES[state]
    expected = (EXPECTED[state] + EXPECTED_REPORTS[state])[position]

    if expected is SUPERSEDED:
        with pytest.raises(errors.AttemptSuperseded):
            EVENTS[event](before)
        return
    after = EVENTS[event](before)

    if expected is SAME:
        assert replace(after, idempotent=before.idempotent) == before
    elif expected is LATE:
        assert (after.status, after.failure) == (before.status, before.failure)
        assert after.late is not None
    else:
        assert after.status == expected


def test_a_returned_execution_waits_for_any_worker() -> None:
    again = returned(RUNNING)

    assert (again.worker_id, again.started_at, again.claimed_at) == (None, None, None)
    assert claimed(again, worker_id="reg_2", instance_id="w2", now=NOW).attempt == 2


def test_a_result_is_kept_with_its_duration() -> None:
    done = reported(RUNNING, SUCCESS, now=NOW + 5_000)

    assert (done.result, done.duration_ms, done.failure) == (b"1", 5, None)


def test_a_report_that_overtakes_the_acceptance_still_has_a_start() -> None:
    done = reported(CLAIMED, SUCCESS, now=NOW + 1)

    assert done.started_at == CLAIMED.claimed_at


def test_only_the_first_late_report_is_kept() -> None:
    first = reported(STATES["cancelled"], SUCCESS, now=NOW)

    assert reported(first, FAILURE, now=NOW + 1) is first


def test_a_lost_worker_says_so_and_a_timeout_says_who_had_it() -> None:
    assert LOST.failure is not None
    assert LOST.failure.reason == errors.AgentLost.reason
    waited, had = expired(WAITING, now=DUE).failure, expired(RUNNING, now=DUE).failure
    assert waited is not None
    assert had is not None
    assert "no worker of node 'billing' took it" in waited.message
    assert "worker 'w1' had it" in had.message
