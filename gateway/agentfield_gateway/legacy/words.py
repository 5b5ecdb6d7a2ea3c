"""Words of existing clients, and ours for them."""

from __future__ import annotations

__all__ = ["reported_status", "worker_status"]

from agentfield.v1 import errors, execution_pb2, node_service_pb2

_STATUSES = {
    "running": "RUNNING",
    "in_progress": "RUNNING",
    "processing": "RUNNING",
    "queued": "RUNNING",
    "pending": "RUNNING",
    "wait": "RUNNING",
    "waiting": "RUNNING",
    "paused": "RUNNING",
    "registered": "RUNNING",
    "succeeded": "SUCCEEDED",
    "success": "SUCCEEDED",
    "successful": "SUCCEEDED",
    "completed": "SUCCEEDED",
    "complete": "SUCCEEDED",
    "done": "SUCCEEDED",
    "ok": "SUCCEEDED",
    "failed": "FAILED",
    "error": "FAILED",
    "failure": "FAILED",
    "errored": "FAILED",
    "timeout": "FAILED",
    "timed_out": "FAILED",
    "cancelled": "CANCELLED",
    "canceled": "CANCELLED",
    "cancel": "CANCELLED",
}
"""What agents report. Whatever has not ended runs: only the control plane queues."""


def reported_status(word: str) -> execution_pb2.ExecutionStatus.ValueType:
    """Return the status that a word means, unspecified for none. Raises InvalidArgument."""
    if not word:
        return execution_pb2.EXECUTION_STATUS_UNSPECIFIED
    name = _STATUSES.get(word.strip().lower())
    if name is None:
        raise errors.InvalidArgument(
            f"unsupported status '{word[:100]}'", metadata={"field": "status"}
        )
    return execution_pb2.ExecutionStatus.Value(f"EXECUTION_STATUS_{name}")


def worker_status(word: str) -> node_service_pb2.WorkerStatus.ValueType:
    """Return what a worker says of itself; unspecified for what is not known here."""
    known = node_service_pb2.WorkerStatus.keys()
    name = f"WORKER_STATUS_{word.strip().upper()}"
    return node_service_pb2.WorkerStatus.Value(name if name in known else known[0])
