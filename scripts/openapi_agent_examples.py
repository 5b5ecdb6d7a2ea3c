"""Examples of what agents that are called over HTTP send and read."""

from __future__ import annotations

__all__ = ["AGENT_SAMPLES"]

from typing import Any

AT = "2026-11-23T12:00:00.118Z"
URL = "http://127.0.0.1:8001"

AGENT_SAMPLES: dict[str, Any] = {
    # By name. None: left out.
    "agent_node_id": "weather",
    "base_url": URL,
    "callback_candidates": [URL],
    "drain": "30s",
    "entry": {"level": "INFO", "message": "Asked the station."},
    "error_status_code": None,
    "function": "forecast",
    "health_score": 100,
    "health_status": "active",
    "heartbeat_timeout": "60s",
    "id": "weather",
    "input_data": None,
    "last_heartbeat": AT,
    "lease_seconds": 300,
    "lifecycle_status": "ready",
    "local": False,
    "max_executions": None,
    "message": "The station answered.",
    "mode": "python-sdk:auto",
    "next_lease_renewal": "2026-11-23T12:02:30Z",
    "number": 1,
    "other_urls": None,
    "phase": "ready",
    "preferred": URL,
    "reasoner_id": None,
    "reasoner_name": None,
    "received_at": AT,
    "registered_at": "2026-11-23T11:59:00Z",
    "resolved": URL,
    "resolved_base_url": URL,
    "success": True,
    "timeout_seconds": 30,
    "timestamp": AT,
    "usage": None,
    # By message and name.
    "AppendLogsRequest.entries": [{"level": "INFO", "message": "Asked the station."}],
    "EventForm.node_id": None,
    "EventForm.input": {"city": "Paris"},
    "FunctionEntry.id": "forecast",
    "HeartbeatForm.phase": None,
    "HeartbeatForm.lifecycle_status": None,
    "HeartbeatForm.status": "ready",
    "HeartbeatRequest.status": "ready",
    "LeavingForm.drain": None,
    "NodeMetadata.custom": {},
    "RegisterNodeRequest.status": "starting",
    "RegistrationForm.sessions": None,
    "RegistrationForm.lifecycle_status": "starting",
    "RecordExecutionRequest.parent_execution_id": "exec_01kb0z6v5tq8w2m4r7y9c3e1hn",
    "EventForm.parent_execution_id": "exec_01kb0z6v5tq8w2m4r7y9c3e1hn",
    "EventForm.execution_id": "exec_1763899200118_0f3b9c2d",
    "RecordExecutionResponse.execution_id": "exec_1763899200118_0f3b9c2d",
    "Worker.base_url": None,
    "Worker.max_executions": 10,
    "Worker.status": "ready",
}
