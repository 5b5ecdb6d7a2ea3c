from __future__ import annotations

import pytest

from agentfield_sdk.ledger import Attempt, Ledger

pytestmark = pytest.mark.unit

FIRST = Attempt("exec_1", 1)
SECOND = Attempt("exec_1", 2)


def test_an_attempt_is_taken_in_once() -> None:
    ledger = Ledger()

    assert ledger.accept(FIRST)
    assert not ledger.accept(FIRST)
    assert ledger.accept(SECOND)
    assert ledger.attempts == (FIRST, SECOND)


def test_what_is_being_reported_is_listed_and_no_longer_stopped() -> None:
    ledger = Ledger()
    ledger.accept(FIRST)
    assert ledger.may_stop(FIRST)

    ledger.report(FIRST)

    assert not ledger.may_stop(FIRST)
    assert ledger.attempts == (FIRST,)


def test_what_is_settled_is_forgotten() -> None:
    ledger = Ledger()
    ledger.accept(FIRST)

    ledger.settle(FIRST)

    assert not ledger.attempts
    assert not ledger.may_stop(FIRST)
