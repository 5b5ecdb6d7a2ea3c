"""What goes with every call: the current execution, and the span it is made in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agentfield.process import tracing
from agentfield.process.exporting import exporting
from agentfield_sdk.context import ExecutionContext, ambient_metadata, entered, running

pytestmark = pytest.mark.unit

TRACE = "0123456789abcdef0123456789abcdef"
GIVEN = f"00-{TRACE}-00f067aa0ba902b7-01"
CONTEXT = ExecutionContext(
    execution_id="exec_1", run_id="run_1", function="find", traceparent=GIVEN
)


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    with exporting("tested", {}, exporter=exporter):
        yield exporter


def test_an_execution_that_makes_no_spans_passes_on_the_trace_it_was_given() -> None:
    with entered(CONTEXT):
        assert dict(ambient_metadata())["traceparent"] == GIVEN
        with running("execution.run", CONTEXT):
            assert dict(ambient_metadata())["traceparent"] == GIVEN


def test_calls_hang_below_the_innermost_span_that_they_are_made_in(
    spans: InMemorySpanExporter,
) -> None:
    with entered(CONTEXT), running("execution.run", CONTEXT), tracing.span("of the user's own"):
        metadata = dict(ambient_metadata())
    inner, run = spans.get_finished_spans()
    assert metadata["traceparent"] == f"00-{TRACE}-{inner.context.span_id:016x}-01"
    assert inner.parent is not None
    assert inner.parent.span_id == run.context.span_id
    assert run.attributes is not None
    assert run.attributes["agentfield.execution_id"] == "exec_1"


def test_a_service_that_is_no_agent_names_the_span_it_calls_in(
    spans: InMemorySpanExporter,
) -> None:
    assert ambient_metadata() == ()
    with tracing.span("a request of the service"):
        ((name, value),) = ambient_metadata()
    (span,) = spans.get_finished_spans()
    assert (name, value[36:52]) == ("traceparent", f"{span.context.span_id:016x}")
