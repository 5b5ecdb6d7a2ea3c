"""A golden file lets through what it says, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from support.golden import Answer, Names, check, golden

pytestmark = pytest.mark.unit

GOOD: dict[str, Any] = {
    "execution_id": "exec_01m881dnv3bvfdjked01rx9608",
    "run_id": "run_01m881dnv3gap9hm5tq1m8a05a",
    "workflow_id": "run_01m881dnv3gap9hm5tq1m8a05a",
    "status": "queued",
    "target": "desk.find",
    "type": "skill",
    "kind": "skill",
    "created_at": "2026-11-25T00:24:22.118239Z",
    "enqueued_at": "2026-11-25T00:24:22Z",
    "webhook_registered": False,
}
HEADERS = {
    "Content-Type": "application/json; charset=utf-8",
    "X-Execution-ID": GOOD["execution_id"],
    "X-Run-ID": GOOD["run_id"],
}


def held(body: dict[str, Any], *, status: int = 202, **headers: str) -> None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    check("accepted", Answer(status=status, headers=HEADERS | named, body=body), Names())


def test_what_it_says_passes() -> None:
    held(GOOD)


@pytest.mark.parametrize(
    "wrong",
    [
        {"workflow_id": "run_01m881dnv3gap9hm5tq1m8a05b"},
        {"status": "running"},
        {"created_at": "yesterday"},
        {"webhook_registered": None},
        {"webhook_registered": 0},
        {"execution_id": "exec_1"},
        {"more": 1},
    ],
)
def test_another_value_or_member_does_not(wrong: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        held(GOOD | wrong)


def test_a_missing_member_another_status_or_header_does_not() -> None:
    for name in GOOD:
        with pytest.raises(AssertionError):
            held({member: value for member, value in GOOD.items() if member != name})
    with pytest.raises(AssertionError):
        held(GOOD, status=200)
    with pytest.raises(AssertionError):
        held(GOOD, X_Run_ID="run_01m881dnv3gap9hm5tq1m8a05b")


def test_every_golden_file_says_what_it_is_about() -> None:
    assert golden("start")["about"].startswith("POST")
