"""What a provider counted."""

from __future__ import annotations

__all__ = ["added_up"]

from collections.abc import Mapping
from typing import Any


def added_up(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Add numbers up, member by member, whatever the shape."""
    total = dict(one)
    for name, value in other.items():
        before = total.get(name)
        if isinstance(value, Mapping):
            total[name] = added_up(before if isinstance(before, Mapping) else {}, value)
        elif _is_number(value):
            total[name] = value + before if _is_number(before) else value
    return total


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
