"""What spans cost: the same calls to three control planes, of which two are told to make spans."""

from __future__ import annotations

__all__ = ["measure"]

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from statistics import median

from bench.calls import SECONDS, Call, execute
from bench.measure import closed_loop, columns, three
from bench.processes import processor, tells
from bench.servers import Addresses, collector, connected, control_plane
from bench.worker import echoing

TITLE = "tracing: Execute, 64 at once, without spans, with all of them, and with none sampled"
ROUNDS = 7
SETTINGS: Mapping[str, Mapping[str, str]] = {
    "off": {},
    "on": {"OTEL_TRACES_SAMPLER": "always_on"},
    "unsampled": {"OTEL_TRACES_SAMPLER": "always_off"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plane:
    """A control plane that is called."""

    process: Addresses
    call: Call


async def measure() -> str:
    """Return the table. A call has two spans in the control plane: of its rpc, and its own."""
    if not tells():
        return f"{TITLE}\nnot measured: this machine does not tell what processes use"
    async with _planes() as planes:
        rounds = [await _round(planes, number) for number in range(ROUNDS + 1)][1:]
    rows = [("spans", "processor ms a call", "ratio (min-max)")]
    for name in planes:
        own = [each[name] for each in rounds]
        ratios = [each[name] / each["off"] for each in rounds]
        spread = f"{three(median(ratios))} ({three(min(ratios))}-{three(max(ratios))})"
        rows.append((name, three(median(own)), "yardstick" if name == "off" else spread))
    return "\n".join([TITLE, *columns(rows)])


async def _round(planes: Mapping[str, _Plane], number: int) -> Mapping[str, float]:
    """Return the milliseconds of processor time that one call took in each control plane."""
    names: Sequence[str] = list(planes)
    turn = number % len(names)
    used = {}
    for name in (*names[turn:], *names[:turn]):
        plane = planes[name]
        before = processor(plane.process)
        sample = await closed_loop(plane.call, concurrency=64, seconds=2 * SECONDS)
        used[name] = (processor(plane.process) - before) * 1000 / sample.answered
    return used


@asynccontextmanager
async def _planes() -> AsyncIterator[Mapping[str, _Plane]]:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        there = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{(await enter(collector())).http}"}
        planes = {}
        for name, settings in SETTINGS.items():
            variables = {**settings, **there} if settings else {}
            process = await enter(control_plane(variables=variables))
            await enter(echoing(process.grpc, "worker"))
            channel = await enter(connected(process.grpc))
            planes[name] = _Plane(process=process, call=execute(channel, "worker.echo"))
        yield planes
