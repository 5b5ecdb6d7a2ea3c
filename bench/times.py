"""How long things took, in rounds, and the table that is printed of it."""

from __future__ import annotations

__all__ = ["Round", "Row", "times_table"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.measure import columns, three

Round = Mapping[str, Sequence[float]]
"""Of one round, by the names of the rows: seconds that each of several samples took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Something whose time is measured."""

    name: str
    yardstick: str = ""
    """The name of the row it is compared with; empty for a yardstick."""
    part: bool = False
    """It is a part of its yardstick: its ratio is a share."""


def times_table(title: str, rows: Sequence[Row], rounds: Sequence[Round]) -> str:
    """Return the medians of the rounds' medians; of them and of ratios the least and greatest.

    Ratios and what is added are of one round each, where both met the same conditions.
    """
    head = ("subject", "median ms (min-max)", "added ms", "ratio (min-max)", "samples")
    return "\n".join([title, *columns([head, *(_row(row, rounds) for row in rows)])])


def _row(row: Row, rounds: Sequence[Round]) -> tuple[str, str, str, str, str]:
    own = [median(one[row.name]) for one in rounds]
    samples = str(sum(len(one[row.name]) for one in rounds))
    if not row.yardstick:
        return (row.name, _spread([value * 1000 for value in own]), "", "yardstick", samples)
    yardstick = [median(one[row.yardstick]) for one in rounds]
    added = median(a - b for a, b in zip(own, yardstick, strict=True)) * 1000
    return (
        f"  {row.name}" if row.part else row.name,
        _spread([value * 1000 for value in own]),
        "" if row.part else three(added),
        _spread([a / b for a, b in zip(own, yardstick, strict=True)]),
        samples,
    )


def _spread(values: Sequence[float]) -> str:
    return f"{three(median(values))} ({three(min(values))}-{three(max(values))})"
