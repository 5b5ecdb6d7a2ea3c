"""Executions drawn as a tree."""

from __future__ import annotations

__all__ = ["Branch", "draw"]

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One execution as the tree shows it."""

    execution_id: str
    parent: str
    """The execution that called it. Empty: none did."""
    target: str
    status: str
    duration_ms: int | None = None


def draw(branches: Sequence[Branch]) -> Iterator[str]:
    """Yield one line for each execution, the called ones below their callers in the order given.

    An execution whose parent is not among those given stands at the left edge, like a root.
    """
    known = {branch.execution_id for branch in branches}
    children: dict[str, list[Branch]] = {}
    for branch in branches:
        parent = branch.parent if branch.parent in known else ""
        children.setdefault(parent, []).append(branch)
    # A stack of its own: nesting may be deeper than Python's.
    waiting = [(root, "", "") for root in reversed(children.get("", []))]
    while waiting:
        branch, stem, below = waiting.pop()
        yield stem + _label(branch)
        called = children.get(branch.execution_id, [])
        for place, child in enumerate(reversed(called)):
            last = place == 0
            waiting.append(
                (child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "))
            )


def _label(branch: Branch) -> str:
    words = [branch.target, branch.status]
    if branch.duration_ms is not None:
        words.append(_duration(branch.duration_ms))
    return "  ".join([*words, branch.execution_id])


def _duration(milliseconds: int) -> str:
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    return f"{milliseconds / 1000:.1f} s"
