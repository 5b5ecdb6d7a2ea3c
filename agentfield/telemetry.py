"""Metrics of the control plane."""

from __future__ import annotations

__all__ = [
    "ABANDONED_CALLS",
    "ATTACH_SECONDS",
    "EXECUTIONS",
    "LIVE_SESSIONS",
    "OFFER_SECONDS",
    "OPEN_CALLS",
    "RPCS",
    "RPC_SECONDS",
    "SESSIONS",
    "TOOL_SECONDS",
    "WORKERS",
]

from prometheus_client import Counter, Gauge, Histogram

RPCS = Counter("agentfield_rpc_total", "Finished rpcs.", ["method", "reason"])
RPC_SECONDS = Histogram("agentfield_rpc_seconds", "How long rpcs took.", ["method"])
EXECUTIONS = Counter("agentfield_executions_total", "Executions that ended.", ["status"])
WORKERS = Gauge("agentfield_workers", "Connected workers.")

SESSIONS = Counter("agentfield_session_total", "Sessions that ended.", ["reason"])
LIVE_SESSIONS = Gauge("agentfield_session_live", "Sessions whose link is up.")
OPEN_CALLS = Gauge("agentfield_session_open_provider_calls", "Provider calls not known to be over.")
ABANDONED_CALLS = Counter(
    "agentfield_session_abandoned_provider_calls_total",
    "Provider calls whose answer was never received.",
)
OFFER_SECONDS = Histogram("agentfield_session_offer_seconds", "How long providers took to answer.")
ATTACH_SECONDS = Histogram(
    "agentfield_session_attach_seconds", "From the provider's id of a call to its link being live."
)
TOOL_SECONDS = Histogram("agentfield_session_tool_seconds", "How long the model's tools took.")
