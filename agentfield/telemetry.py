"""Metrics of the control plane."""

from __future__ import annotations

__all__ = ["EXECUTIONS", "RPCS", "RPC_SECONDS", "WORKERS"]

from prometheus_client import Counter, Gauge, Histogram

RPCS = Counter("agentfield_rpc_total", "Finished rpcs.", ["method", "reason"])
RPC_SECONDS = Histogram("agentfield_rpc_seconds", "How long rpcs took.", ["method"])
EXECUTIONS = Counter("agentfield_executions_total", "Executions that ended.", ["status"])
WORKERS = Gauge("agentfield_workers", "Connected workers.")
