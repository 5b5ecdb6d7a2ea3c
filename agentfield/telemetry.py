"""Metrics of the control plane. What each says is told in docs/telemetry.md, word for word."""

from __future__ import annotations

__all__ = [
    "ABANDONED_CALLS",
    "ASKED",
    "ATTACH_SECONDS",
    "COMMIT_SECONDS",
    "COMMIT_WRITES",
    "EXECUTIONS",
    "EXECUTION_SECONDS",
    "FIRST_AUDIO_SECONDS",
    "GAP_SECONDS",
    "HTTP_WORKERS",
    "INTERRUPTIONS",
    "LIVE_SESSIONS",
    "LOST_LEASES",
    "LOST_LINKS",
    "OFFER_SECONDS",
    "OPEN_CALLS",
    "QUEUED",
    "QUEUE_SECONDS",
    "RPCS",
    "RPC_SECONDS",
    "SENT",
    "SESSIONS",
    "STARTED_SESSIONS",
    "TAKEN_OVER",
    "TAMPERING",
    "TOOLS",
    "TOOL_SECONDS",
    "TURNS",
    "WORKERS",
    "committing",
    "served",
]

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Gauge, Histogram, start_http_server

from agentfield.process.addresses import split_bind

_SHORT = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
"""Seconds that programs take."""
_LONG = (0.001, 0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
"""Seconds that functions of users take."""
_HEARD = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 5, 10)
"""Seconds that people wait for an answer."""
_POWERS = tuple(2**power for power in range(10))


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(f"agentfield_{name}", text, labels)


def _gauge(name: str, text: str) -> Gauge:
    return Gauge(f"agentfield_{name}", text)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
    return Histogram(f"agentfield_{name}", text, labels, buckets=buckets)


RPCS = _counter("rpc_total", "Finished rpcs.", "method", "reason")
RPC_SECONDS = _histogram("rpc_seconds", "How long rpcs took.", _SHORT, "method")

EXECUTIONS = _counter("executions_total", "Executions that ended.", "status")
EXECUTION_SECONDS = _histogram(
    "execution_seconds", "From the begin of executions to their end.", _LONG
)
QUEUE_SECONDS = _histogram(
    "execution_queue_seconds", "From the request for executions to their begin.", _SHORT
)
QUEUED = _gauge("queued_executions", "Executions in the store that wait for a worker.")
SENT = _counter("sent_executions_total", "Executions that this server sent to workers.")
WORKERS = _gauge("workers", "Workers connected to this server.")
HTTP_WORKERS = _gauge("http_workers", "Workers called over HTTP that give signs of life.")

COMMIT_SECONDS = _histogram("store_commit_seconds", "How long transactions took.", _SHORT)
COMMIT_WRITES = _histogram("store_commit_writes", "Writes in one transaction.", _POWERS)

STARTED_SESSIONS = _counter("session_started_total", "Sessions that were started.")
SESSIONS = _counter("session_total", "Sessions that ended.", "reason")
LIVE_SESSIONS = _gauge("session_live", "Sessions whose link to the provider is up.")
OPEN_CALLS = _gauge("session_open_provider_calls", "Provider calls not known to be over.")
ABANDONED_CALLS = _counter(
    "session_abandoned_provider_calls_total", "Provider calls whose answer was never received."
)
OFFER_SECONDS = _histogram(
    "session_offer_seconds", "How long providers took to answer offers.", _HEARD
)
ATTACH_SECONDS = _histogram(
    "session_attach_seconds", "From a provider's id of a call to its sideband being live.", _SHORT
)
LOST_LINKS = _counter("session_lost_links_total", "Links to provider calls that broke.")
GAP_SECONDS = _histogram(
    "session_gap_seconds", "How long nobody listened until a call was attached to again.", _LONG
)
TURNS = _counter("session_turns_total", "Turns of users.", "channel")
FIRST_AUDIO_SECONDS = _histogram(
    "session_first_audio_seconds",
    "From the end of users' speech to the agent's first sound.",
    _HEARD,
)
INTERRUPTIONS = _counter("session_interruptions_total", "Times that users spoke over the agent.")
TOOLS = _counter("session_tools_total", "Calls of tools by what became of them.", "outcome")
TOOL_SECONDS = _histogram("session_tool_seconds", "How long tools took.", _LONG)
TAKEN_OVER = _counter("session_taken_over_total", "Sessions taken over from a server that is gone.")
ASKED = _counter("session_asked_total", "Commands that this server had another one do.")
LOST_LEASES = _counter("lost_leases_total", "Times that this server could not renew its lease.")
TAMPERING = _counter("session_tampering_total", "Forgeries found in clients' data channels.")


@contextmanager
def committing(writes: int) -> Iterator[None]:
    """Measure a transaction of so many writes, made by the block."""
    began_at = time.perf_counter()
    yield
    COMMIT_SECONDS.observe(time.perf_counter() - began_at)
    COMMIT_WRITES.observe(writes)


@contextmanager
def served(bind: str | None) -> Iterator[str | None]:
    """Serve this process's metrics while the block runs, and yield where; None: nowhere.

    Raises OSError when the address cannot be listened on.
    """
    if bind is None:
        yield None
        return
    host, port = split_bind(bind)
    server, thread = start_http_server(port, host)
    try:
        yield f"{bind.rpartition(':')[0]}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
