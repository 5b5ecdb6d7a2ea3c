"""How often one caller may call, by a clock that the test turns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentfield.rpc.rates import BURST_SECONDS, Buckets

pytestmark = pytest.mark.unit

STEPS = st.lists(st.floats(min_value=0, max_value=20), max_size=200)


class Clock:
    """Seconds, as the test says."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def taken(buckets: Buckets, caller: str, most: int = 1000) -> int:
    """Return how many tokens a caller gets at once."""
    return next(count for count in range(most + 1) if buckets.take(caller) > 0)


def test_a_caller_may_use_what_it_has_saved_and_then_its_rate() -> None:
    clock = Clock()
    buckets = Buckets(5, clock)

    assert taken(buckets, "one") == 5 * BURST_SECONDS
    assert buckets.take("one") == pytest.approx(0.2)
    clock.now += 0.2
    assert taken(buckets, "one") == 1
    clock.now += 3
    assert taken(buckets, "one") == 15
    clock.now += 3600
    assert taken(buckets, "one") == 5 * BURST_SECONDS


def test_a_caller_takes_nothing_from_another() -> None:
    buckets = Buckets(1, Clock())

    assert taken(buckets, "one") == 10
    assert taken(buckets, "other") == 10


def test_who_is_refused_waits_as_long_as_it_is_told() -> None:
    clock = Clock()
    buckets = Buckets(0.05, clock)  # a bucket of one token

    assert buckets.take("one") == 0
    wait = buckets.take("one")
    assert wait == pytest.approx(20)
    clock.now += wait
    assert buckets.take("one") == 0


@given(STEPS)
def test_nobody_gets_more_than_the_rate_and_what_was_saved(steps: list[float]) -> None:
    clock = Clock()
    buckets, served = Buckets(2, clock), 0
    for step in steps:
        clock.now += step
        served += buckets.take("one") == 0

    assert served <= 2 * BURST_SECONDS + 2 * sum(steps) + 1e-6


def test_callers_of_long_ago_are_forgotten() -> None:
    buckets = Buckets(1, Clock())
    for number in range(20_000):
        buckets.take(f"caller {number}")

    assert len(buckets._buckets) == 10_000
