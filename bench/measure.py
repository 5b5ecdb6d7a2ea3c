"""Subjects, interleaved rounds, and the table that is printed of them.

Absolute rates move with the machine's other work; ratios are taken within each round, where both
sides met the same conditions.
"""

from __future__ import annotations

__all__ = ["Sample", "Subject", "closed_loop", "columns", "interleaved", "table", "three"]

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What one subject did in one round."""

    answered: int
    asked: int
    seconds: float
    """How long all of it took."""
    latency: float | None
    """Seconds that one answer took, the median; None where there are no single answers."""

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.answered / self.seconds


Samples = Mapping[str, Sequence[Sample]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Something to measure."""

    name: str
    run: Callable[[], Awaitable[Sample]]
    yardstick: str = ""
    """The name of the subject it is compared with; empty for a yardstick."""


async def closed_loop(
    call: Callable[[], Awaitable[object]], *, concurrency: int, seconds: float
) -> Sample:
    """Keep so many calls under way for so long. A call that fails ends the benchmark."""
    latencies: list[float] = []
    began = time.perf_counter()

    async def repeat() -> None:
        now = began
        while now - began < seconds:
            before = time.perf_counter()
            await call()
            now = time.perf_counter()
            latencies.append(now - before)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(concurrency):
            tasks.create_task(repeat())
    return Sample(
        answered=len(latencies),
        asked=len(latencies),
        seconds=time.perf_counter() - began,
        latency=median(latencies),
    )


async def interleaved(subjects: Sequence[Subject], *, rounds: int) -> Samples:
    """Run every subject once per round, each round in another order, after one to warm up."""
    samples: dict[str, list[Sample]] = {subject.name: [] for subject in subjects}
    for subject in subjects:
        await subject.run()
    for number in range(rounds):
        turn = number % len(subjects)
        for subject in (*subjects[turn:], *subjects[:turn]):
            samples[subject.name].append(await subject.run())
    return samples


def table(title: str, subjects: Sequence[Subject], samples: Samples) -> str:
    """Return medians over the rounds, and of the ratios the least and the greatest too."""
    rows = [("subject", "rate /s", "latency ms", "ratio (min-max)", "answered")]
    rows += [_row(subject, samples) for subject in subjects]
    return "\n".join([title, *columns(rows)])


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table whose first column is of names."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in rows
    ]


def _row(subject: Subject, samples: Samples) -> tuple[str, str, str, str, str]:
    own = samples[subject.name]
    latencies = [sample.latency for sample in own if sample.latency is not None]
    return (
        subject.name,
        three(median(sample.rate for sample in own)),
        three(median(latencies) * 1000) if latencies else "-",
        _ratio(own, samples[subject.yardstick]) if subject.yardstick else "yardstick",
        f"{sum(sample.answered for sample in own)}/{sum(sample.asked for sample in own)}",
    )


def _ratio(own: Sequence[Sample], yardstick: Sequence[Sample]) -> str:
    ratios = [a.rate / b.rate for a, b in zip(own, yardstick, strict=True)]
    return f"{three(median(ratios))} ({three(min(ratios))}-{three(max(ratios))})"


def three(number: float) -> str:
    """Return the number with three digits that mean something."""
    return f"{number:.0f}" if number >= 100 else f"{number:#.3g}"
