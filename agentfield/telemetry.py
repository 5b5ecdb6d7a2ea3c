"""Metrics of the control plane."""

from __future__ import annotations

__all__ = [
    "ABANDONED_CALLS",
    "ATTACH_SECONDS",
    "EXECUTIONS",
    "EXECUTION_SECONDS",
    "FIRST_AUDIO_SECONDS",
    "INTERRUPTIONS",
    "LIVE_SESSIONS",
    "OFFER_SECONDS",
    "OPEN_CALLS",
    "QUEUE_SECONDS",
    "RPCS",
    "RPC_SECONDS",
    "SESSIONS",
    "TAMPERING",
    "TOOLS",
    "TOOL_SECONDS",
    "TURNS",
    "WORKERS",
]

from prometheus_client import Counter, Gauge, Histogram

RPCS = Counter("agentfield_rpc_total", "Finished rpcs.", ["method", "reason"])
RPC_SECONDS = Histogram("agentfield_rpc_seconds", "How long rpcs took.", ["method"])
EXECUTIONS = Counter("agentfield_executions_total", "Executions that ended.", ["status"])
QUEUE_SECONDS = Histogram(
    "agentfield_execution_queue_seconds", "From the request for an execution to its begin."
)
EXECUTION_SECONDS = Histogram(
    "agentfield_execution_seconds", "From an execution's begin to its end."
)
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
TOOLS = Counter(
    "agentfield_session_tools_total", "Calls of tools by what became of them.", ["outcome"]
)
TURNS = Counter("agentfield_session_turns_total", "Turns of users.", ["channel"])
FIRST_AUDIO_SECONDS = Histogram(
    "agentfield_session_first_audio_seconds",
    "From the end of the user's speech to the first sound of the agent.",
)
INTERRUPTIONS = Counter(
    "agentfield_session_interruptions_total", "How often users spoke over the agent."
)
TAMPERING = Counter(
    "agentfield_session_tampering_total", "Forgeries found in data channels of clients."
)
