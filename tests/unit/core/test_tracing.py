"""Spans: which are made, where they hang, and that they say no words."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from agentfield.process import tracing
from agentfield.process.exporting import exporting
from agentfield.process.flags import ConfigError
from agentfield.v1 import errors

pytestmark = pytest.mark.unit

TRACE, ABOVE = "0123456789abcdef0123456789abcdef", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{ABOVE}-01"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    with exporting("tested", {}, exporter=exporter):
        yield exporter


def ended(parent: str, thing: str = "exec_1", trace_of: str = "run_1") -> None:
    tracing.record(
        "execution",
        thing,
        tracing.facts(status="failed"),
        parent=parent,
        trace_of=trace_of,
        began_at=1_000,
        ended_at=3_000,
        error="AGENT_LOST",
    )


def test_nothing_is_made_unless_it_is_asked_for() -> None:
    with exporting("tested", {"OTEL_SERVICE_NAME": "x"}), tracing.span("any"):
        assert not tracing.is_on()
        assert tracing.here() == ""
        assert tracing.standing_for("exec_1", parent=PARENT, trace_of="run_1") == PARENT
        ended(PARENT)


def test_a_trace_that_somebody_else_records_is_passed_on_unchanged() -> None:
    with tracing.span("any", parent=PARENT):
        assert tracing.here() == PARENT


def test_what_was_put_below_a_thing_hangs_below_the_span_that_tells_of_its_end(
    spans: InMemorySpanExporter,
) -> None:
    inside = tracing.standing_for("exec_1", parent=PARENT, trace_of="run_1")
    with tracing.span("below", parent=inside):
        pass
    ended(PARENT)
    below, execution = spans.get_finished_spans()
    assert below.parent is not None
    assert below.parent.span_id == execution.context.span_id
    assert execution.parent is not None
    assert f"{execution.parent.span_id:016x}" == ABOVE
    assert f"{below.context.trace_id:032x}" == f"{execution.context.trace_id:032x}" == TRACE
    assert (execution.start_time, execution.end_time) == (1_000_000, 3_000_000)


@pytest.mark.parametrize("parent", ["", "no trace", f"00-{'0' * 32}-{ABOVE}-01", f"ff{PARENT[2:]}"])
def test_things_that_belong_together_are_in_one_trace_without_anything_above_them(
    spans: InMemorySpanExporter, parent: str
) -> None:
    inside = tracing.standing_for("exec_1", parent=parent, trace_of="run_1")
    for thing in ("exec_1", "exec_2"):
        ended(parent, thing)
    ended(parent, "exec_3", trace_of="run_2")
    first, second, other = spans.get_finished_spans()
    assert first.parent is None
    assert first.context.trace_id == second.context.trace_id != other.context.trace_id
    assert inside == f"00-{first.context.trace_id:032x}-{first.context.span_id:016x}-01"


def test_what_the_caller_does_not_sample_is_not_recorded(spans: InMemorySpanExporter) -> None:
    unsampled = PARENT[:-1] + "0"
    with tracing.span("any", parent=unsampled):
        assert tracing.here().endswith("-00")
    ended(unsampled)
    assert tracing.standing_for("exec_1", parent=unsampled, trace_of="run_1").endswith("-00")
    assert spans.get_finished_spans() == ()


def test_the_sampler_of_the_environment_decides_of_what_nobody_has_decided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    exporter = InMemorySpanExporter()
    with exporting("tested", {}, exporter=exporter):
        assert tracing.standing_for("exec_1", parent="", trace_of="run_1").endswith("-00")
        ended("")
    assert exporter.get_finished_spans() == ()


def test_a_failure_is_told_by_its_reason_and_never_in_words(spans: InMemorySpanExporter) -> None:
    words = "people said this"
    for error in (errors.AgentLost(words), LookupError(words)):
        with pytest.raises(type(error)), tracing.span("any"):
            raise error
    ours, other = spans.get_finished_spans()
    assert (ours.status.description, other.status.description) == ("AGENT_LOST", "LookupError")
    assert words not in ours.to_json() + other.to_json()


def test_a_callers_mistake_is_no_failure_of_the_server(spans: InMemorySpanExporter) -> None:
    with (
        pytest.raises(errors.InvalidArgument),
        tracing.span("rpc", parent=PARENT, kind=SpanKind.SERVER),
    ):
        raise errors.InvalidArgument("no")
    (span,) = spans.get_finished_spans()
    assert span.status.is_ok
    assert dict(span.attributes or {}) == {"error.type": "INVALID_ARGUMENT"}


def test_facts_that_are_empty_are_left_out() -> None:
    assert tracing.facts(count=0, name="", none=None) == {"agentfield.count": 0}


@pytest.mark.parametrize(
    "environment",
    [
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"},
        {"OTEL_TRACES_EXPORTER": "zipkin"},
    ],
)
def test_a_way_of_sending_that_there_is_not_is_refused(environment: dict[str, str]) -> None:
    there = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    with pytest.raises(ConfigError, match="http/protobuf"), exporting("x", there | environment):
        pass


@pytest.mark.parametrize(
    "environment", [{"OTEL_SDK_DISABLED": "True"}, {"OTEL_TRACES_EXPORTER": "none"}]
)
def test_what_the_environment_switches_off_is_off(environment: dict[str, str]) -> None:
    there = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    with exporting("x", there | environment):
        assert not tracing.is_on()


def test_without_the_extra_a_program_says_so_and_runs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with (
        caplog.at_level(logging.WARNING),
        exporting("x", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}),
    ):
        assert not tracing.is_on()
    assert caplog.messages == ["no spans are sent: the extra [otel] is not installed"]


PROGRAM = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from agentfield.process import tracing
from agentfield.process.exporting import exporting
chosen = TracerProvider()
if {chooses}:
    trace.set_tracer_provider(chosen)
there = {{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "otlp"}}
with exporting("x", there, shared=True), tracing.span("ours") as ours:
    print(tracing.is_on(), ours.is_recording(), trace.get_tracer_provider() is chosen)
    with trace.get_tracer("theirs").start_as_current_span("theirs") as theirs:
        print(theirs.parent == ours.get_span_context())
"""


@pytest.mark.parametrize("chooses", [True, False])
def test_in_a_program_of_other_people_its_own_provider_counts_and_else_is_ours(
    chooses: bool,
) -> None:
    code = PROGRAM.format(chooses=chooses)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == [f"{not chooses} True {chooses}", "True"]
