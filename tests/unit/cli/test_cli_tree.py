from __future__ import annotations

import pytest

from agentfield_cli.tree import Branch, draw

pytestmark = pytest.mark.unit


def _branch(execution_id: str, parent: str = "", duration_ms: int | None = None) -> Branch:
    return Branch(
        execution_id=execution_id,
        parent=parent,
        target=f"node.{execution_id}",
        status="running" if duration_ms is None else "succeeded",
        duration_ms=duration_ms,
    )


def test_nothing_draws_nothing() -> None:
    assert list(draw([])) == []


def test_children_stand_below_their_parents_in_the_order_given() -> None:
    branches = [
        _branch("a", duration_ms=1500),
        _branch("b", "a", duration_ms=20),
        _branch("c", "a"),
        _branch("d", "b", duration_ms=0),
        _branch("e", "c"),
    ]

    assert list(draw(branches)) == [
        "node.a  succeeded  1.5 s  a",
        "├─ node.b  succeeded  20 ms  b",
        "│  └─ node.d  succeeded  0 ms  d",
        "└─ node.c  running  c",
        "   └─ node.e  running  e",
    ]


def test_several_roots_and_orphans_stand_at_the_left_edge() -> None:
    branches = [_branch("a"), _branch("b", "gone"), _branch("c", "b"), _branch("d")]

    assert list(draw(branches)) == [
        "node.a  running  a",
        "node.b  running  b",
        "└─ node.c  running  c",
        "node.d  running  d",
    ]


def test_a_parent_may_come_after_its_child() -> None:
    assert [line[-1] for line in draw([_branch("b", "a"), _branch("a")])] == ["a", "b"]


def test_ten_thousand_children_are_drawn() -> None:
    branches = [_branch("root"), *(_branch(str(n), "root") for n in range(10_000))]

    lines = list(draw(branches))

    assert len(lines) == 10_001
    assert lines[-1] == "└─ node.9999  running  9999"


def test_nesting_may_be_deeper_than_pythons() -> None:
    branches = [_branch(str(n), str(n - 1) if n else "") for n in range(10_000)]

    deepest = 0
    for depth, line in enumerate(draw(branches)):
        assert line.endswith(f"running  {depth}")
        deepest = depth

    assert deepest == 9_999
