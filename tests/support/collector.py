"""A collector of spans as processes really send them: OTLP over HTTP, parsed by its own schema."""

from __future__ import annotations

__all__ = ["Collector", "Received", "collecting"]

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from support.processes import PATIENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One span."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    """Empty for the root of a trace."""
    facts: Mapping[str, Any]
    failed: bool
    began_at: int
    ended_at: int


class Collector:
    """The spans that came."""

    def __init__(self) -> None:
        self.spans: list[Received] = []
        self.raw: list[bytes] = []
        """The requests, byte for byte."""
        self.address = ""
        self._changed = asyncio.Event()

    @property
    def environment(self) -> dict[str, str]:
        """What makes a process send its spans here, soon."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.address, "OTEL_BSP_SCHEDULE_DELAY": "100"}

    async def until(self, holds: Callable[[Sequence[Received]], bool]) -> Sequence[Received]:
        """Wait until the spans are as they are to be, and return them."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not holds(self.spans):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"These spans came:\n{self.drawn()}") from None
        return self.spans

    def named(self, name: str) -> list[Received]:
        """Return the spans of this name."""
        return [span for span in self.spans if span.name == name]

    def edges(self) -> set[tuple[str, str]]:
        """Return who is below whom, as ``service: name``; what is above nothing known is a root."""
        known = {span.span_id: f"{span.service}: {span.name}" for span in self.spans}
        return {(known[span.span_id], known.get(span.parent_id, "")) for span in self.spans}

    def drawn(self) -> str:
        """Return the spans as trees."""
        known = {span.span_id for span in self.spans}

        def lines(of: Callable[[Received], bool], depth: int) -> list[str]:
            found = sorted(filter(of, self.spans), key=lambda span: span.began_at)
            return [
                line
                for span in found
                for line in (
                    f"{'  ' * depth}{span.service}: {span.name}",
                    *lines(lambda other, above=span: other.parent_id == above.span_id, depth + 1),  # type: ignore[misc]
                )
            ]

        return "\n".join(lines(lambda span: span.parent_id not in known, 0))

    async def take(self, request: web.Request) -> web.Response:
        """Take in one request."""
        body = await request.read()
        self.raw.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = _facts(resource.resource.attributes)["service.name"]
            for scope in resource.scope_spans:
                self.spans += [_received(service, span) for span in scope.spans]
        self._changed.set()
        answer = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=answer, content_type="application/x-protobuf")


def _received(service: str, span: Span) -> Received:
    return Received(
        service=service,
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        facts=_facts(span.attributes),
        failed=span.status.code == span.status.STATUS_CODE_ERROR,
        began_at=span.start_time_unix_nano,
        ended_at=span.end_time_unix_nano,
    )


def _facts(attributes: Sequence[KeyValue]) -> dict[str, Any]:
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value") or "") for each in attributes
    }


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Collect spans on a free port of this machine."""
    collector = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        collector.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield collector
    finally:
        await runner.cleanup()
