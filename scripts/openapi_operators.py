"""What operators ask of a gateway: routes of its own, which the contract does not have."""

from __future__ import annotations

__all__ = ["OPERATORS", "OPERATORS_TAG"]

from typing import Any

from scripts.openapi_schemas import Json, reference

OPERATORS_TAG = {
    "name": "Operators",
    "description": "What operators ask of this gateway. None of it needs a key.",
}


def _operator(name: str, summary: str, responses: Json) -> Json:
    return {"operationId": name, "summary": summary, "responses": responses}


def _response(description: str, media_type: str, schema: Json, example: Any) -> Json:
    content = {"schema": schema, "example": example}
    return {"description": description, "content": {media_type: content}}


def _status(*words: str) -> Json:
    return {
        "type": "object",
        "properties": {"status": {"type": "string", "enum": list(words)}},
        "required": ["status"],
    }


_CHECK: Json = {
    "type": "object",
    "properties": {
        "status": {"type": "string", "enum": ["healthy", "unhealthy"]},
        "message": {"type": "string", "description": "The reason, if it does not serve."},
        "response_time": {"type": "integer", "description": "In milliseconds."},
    },
    "required": ["status", "message", "response_time"],
}
_HEALTH: Json = {
    "type": "object",
    "properties": {
        "status": {"type": "string", "enum": ["healthy", "unhealthy"]},
        "timestamp": {"type": "string", "format": "date-time"},
        "version": {"type": "string"},
        "checks": {"type": "object", "additionalProperties": _CHECK},
    },
    "required": ["status", "timestamp", "version", "checks"],
}
_LIVES = {
    "status": "healthy",
    "timestamp": "2026-11-23T12:00:00Z",
    "version": "0.1.0",
    "checks": {},
}


def _health(status: str, message: str) -> Json:
    check = {"status": status, "message": message, "response_time": 2}
    return {**_LIVES, "status": status, "checks": {"control_plane": check}}


_READY: Json = {
    "200": _response("It does.", "application/json", _status("ready"), {"status": "ready"})
}
_VERSION: Json = {
    "type": "object",
    "properties": {"version": {"type": "string"}},
    "required": ["version"],
}
_NOT_READY = _status("draining", "unavailable")
_NOT_READY["properties"]["reason"] = reference("schemas", "ErrorReason")
_NOT_READY["required"].append("reason")
_READY["503"] = _response(
    "It does not.",
    "application/json",
    _NOT_READY,
    {"status": "draining", "reason": "SERVER_DRAINING"},
)

_METRICS = """\
# HELP agentfield_http_requests_total Answered HTTP requests.
# TYPE agentfield_http_requests_total counter
agentfield_http_requests_total{method="GET",route="/readyz",status="200"} 12.0
"""
_ANY_OBJECT = {"type": "object", "additionalProperties": True}
_ITSELF = {"openapi": "3.1.0", "info": {"title": "AgentField", "version": "v1"}, "paths": {}}

OPERATORS: dict[str, Json] = {
    "/health": _operator(
        "Health",
        "Whether this gateway lives",
        {"200": _response("It lives.", "application/json", _HEALTH, _LIVES)},
    ),
    "/api/v1/health": _operator(
        "HealthOfAll",
        "Whether this gateway and its control plane are well",
        {
            "200": _response(
                "They are.", "application/json", _HEALTH, _health("healthy", "It serves.")
            ),
            "503": _response(
                "They are not.",
                "application/json",
                _HEALTH,
                _health("unhealthy", "SERVER_UNREACHABLE"),
            ),
        },
    ),
    "/readyz": _operator("Ready", "Whether the control plane serves", _READY),
    "/api/v1/health/ready": _operator("Ready2", "Whether the control plane serves", _READY),
    "/api/v1/version": _operator(
        "Version",
        "The version of this gateway",
        {"200": _response("It.", "application/json", _VERSION, {"version": "0.1.0"})},
    ),
    "/metrics": _operator(
        "Metrics",
        "The metrics of this gateway",
        {"200": _response("For Prometheus.", "text/plain", {"type": "string"}, _METRICS)},
    ),
    "/openapi.json": _operator(
        "OpenApi",
        "This document",
        {"200": _response("OpenAPI 3.1.", "application/json", _ANY_OBJECT, _ITSELF)},
    ),
}
