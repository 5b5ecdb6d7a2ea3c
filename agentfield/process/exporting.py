"""Sends spans where OpenTelemetry's own variables say; without them nothing is made and nothing sent."""

from __future__ import annotations

__all__ = ["exporting"]

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry import trace

from agentfield.process.flags import ConfigError
from agentfield.process.tracing import WANTED, is_on, switch

if TYPE_CHECKING:  # the extra may be missing
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

log = logging.getLogger("agentfield.tracing")

FLUSH_SECONDS = 3.0
"""How long a program that ends waits for its last spans to be taken."""


@contextmanager
def exporting(
    service: str,
    environment: Mapping[str, str],
    *,
    exporter: SpanExporter | None = None,
    shared: bool = False,
) -> Iterator[None]:
    """Make spans while the block runs, if the environment asks for them, and send them.

    ``service`` is what this process is called unless the environment says otherwise; an exporter
    that is given takes them in place of the environment's. ``shared``: a program of other people
    runs here, whose own spans go the same way, also after the block, unless it has chosen another
    way. Raises ConfigError for a way of sending that there is not.
    """
    chosen = shared and not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    if chosen or is_on() or not (exporter or _is_asked_for(environment)):
        yield
        return
    try:
        provider = _provider(service, environment, exporter)
    except ImportError:
        provider = None
    if provider is None:
        log.warning("no spans are sent: the extra [otel] is not installed")
        yield
        return
    switch(provider)
    if shared:
        trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        if shared:
            _for_a_while(provider.force_flush)
        else:
            switch(None)
            _for_a_while(provider.shutdown)


def _is_asked_for(environment: Mapping[str, str]) -> bool:
    exporter = environment.get("OTEL_TRACES_EXPORTER", "")
    disabled = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    if disabled or not (exporter or any(environment.get(name) for name in endpoints)):
        return False
    if exporter == "none":
        return False
    protocol = environment.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environment.get(
        "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"
    )
    if exporter not in {"", "otlp"} or protocol != "http/protobuf":
        raise ConfigError(
            "Spans are sent by OTLP over http/protobuf; OTEL_TRACES_EXPORTER is otlp or none, "
            "OTEL_EXPORTER_OTLP_PROTOCOL is http/protobuf."
        )
    return True


def _provider(
    service: str, environment: Mapping[str, str], exporter: SpanExporter | None
) -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class IdsOfThings(RandomIdGenerator):
        """Random ids, but for what has an id of its own."""

        def generate_span_id(self) -> int:
            wanted = WANTED.get()
            return wanted.span if wanted else super().generate_span_id()

        def generate_trace_id(self) -> int:
            wanted = WANTED.get()
            return wanted.trace if wanted else super().generate_trace_id()

    named = "OTEL_SERVICE_NAME" in environment or "service.name=" in environment.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    provider = TracerProvider(
        resource=Resource.create({} if named else {"service.name": service}),
        id_generator=IdsOfThings(),
        shutdown_on_exit=False,  # its patience is not ours: see below
    )
    provider.add_span_processor(
        SimpleSpanProcessor(exporter) if exporter else BatchSpanProcessor(OTLPSpanExporter())
    )
    return provider


def _for_a_while(send_the_last: Callable[[], object]) -> None:
    # Its own patience with a collector that is away would outlast any supervisor's.
    last = threading.Thread(target=send_the_last, name="last-spans", daemon=True)
    last.start()
    last.join(FLUSH_SECONDS)
