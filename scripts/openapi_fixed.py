"""What of REST the contract does not say: credentials, headers, and what operators ask."""

from __future__ import annotations

__all__ = ["COMPONENTS", "ERROR", "OPERATORS", "OPERATORS_TAG", "OVER", "PREFACE", "last_event_id"]

from typing import Any

from scripts.openapi_schemas import Json, reference

PREFACE: Json = {
    "openapi": "3.1.0",
    "info": {
        "title": "AgentField",
        "version": "v1",
        "summary": "A control plane for agents, over REST.",
        "description": (
            "Unset fields, empty strings and empty JSON fields are left out. Times are RFC 3339 in "
            "UTC. JSON of functions passes byte for byte. Unknown fields and unknown query "
            "parameters are errors.\n\nA server without keys needs no credential."
        ),
        "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
    },
    "servers": [{"url": "/"}],
    "security": [{"bearer": []}, {"key": []}, {}],
}

ERROR: Json = {
    "type": "object",
    "description": "Why a request failed.",
    "properties": {
        "error": {
            "type": "string",
            "description": "The message, or a fixed word that existing clients look for.",
        },
        "message": {"type": "string", "description": "For people."},
        "reason": {**reference("schemas", "ErrorReason"), "description": "For programs."},
        "details": {
            "type": "object",
            "description": "Names and ids that belong to the failure.",
            "additionalProperties": {"type": "string"},
        },
        "error_category": {
            "type": "string",
            "description": "How existing clients sort failures.",
        },
        "retry_after": {
            "type": "integer",
            "description": "The header Retry-After again.",
        },
    },
    # What is in details stands beside it, too: existing clients look for it there.
    "additionalProperties": {"type": "string"},
    "required": ["error", "message", "reason", "details"],
}


def _sent(name: str, description: str, pattern: str = "^[A-Za-z0-9_.:@/+=-]{1,128}$") -> Json:
    schema = {"type": "string", "pattern": pattern}
    return {"name": name, "in": "header", "description": description, "schema": schema}


def _answered(description: str, kind: str) -> Json:
    return {"description": description, "schema": {"type": kind}}


COMPONENTS: dict[str, Json] = {
    # What says where a request belongs: every route that takes a request_id has these.
    "parameters": {
        "IdempotencyKey": _sent(
            "Idempotency-Key", "The request's request_id, in ASCII.", "^[ -~]{1,128}$"
        ),
        "ParentExecutionId": _sent(
            "X-Parent-Execution-ID", "The execution that calls; run and session follow from it."
        ),
        "RunId": _sent("X-Run-ID", "The run to belong to. None: a new one."),
        "WorkflowId": _sent("X-Workflow-ID", "A synonym of X-Run-ID, which wins over it."),
        "SessionId": _sent("X-Session-ID", "The session to belong to, if any."),
        "ActorId": _sent("X-Actor-ID", "Who it is for."),
        "Traceparent": _sent("Traceparent", "The W3C trace context."),
    },
    "headers": {
        "Retry-After": _answered("How many seconds to wait, where that is known.", "integer"),
        "WWW-Authenticate": _answered("The scheme of the credential.", "string"),
    },
    "securitySchemes": {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "A key, or a session's token where that will do.",
        },
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    },
}

OVER: Json = {"description": "There was nothing more to send, and never will be."}
"""The answer 204 of a stream that its readers resume."""


def last_event_id(field: str) -> Json:
    """Return the parameter that fills a field with the id of the last event seen."""
    about = f"The id of the last event seen. It wins over {field}."
    return _sent("Last-Event-ID", about, "^[0-9]{1,19}$")


OPERATORS_TAG = {
    "name": "Operators",
    "description": "What operators ask of this gateway. None of it needs a key.",
}


def _operator(name: str, summary: str, responses: Json) -> Json:
    return {"operationId": name, "summary": summary, "responses": responses}


def _response(description: str, media_type: str, schema: Json, example: Any = None) -> Json:
    content = {"schema": schema, **({"example": example} if example else {})}
    return {"description": description, "content": {media_type: content}}


def _status(*words: str) -> Json:
    return {
        "type": "object",
        "properties": {"status": {"type": "string", "enum": list(words)}},
        "required": ["status"],
    }


_HEALTHY = {"200": _response("It lives.", "application/json", _status("ok"), {"status": "ok"})}
_NOT_READY = _status("draining", "unavailable")
_NOT_READY["properties"]["reason"] = reference("schemas", "ErrorReason")
_NOT_READY["required"].append("reason")

OPERATORS: dict[str, Json] = {
    "/health": _operator("Health", "Whether this gateway lives", _HEALTHY),
    "/api/v1/health": _operator("Health2", "Whether this gateway lives", _HEALTHY),
    "/readyz": _operator(
        "Ready",
        "Whether the control plane serves",
        {
            "200": _response("It does.", "application/json", _status("ready"), {"status": "ready"}),
            "503": _response(
                "It does not.",
                "application/json",
                _NOT_READY,
                {"status": "draining", "reason": "SERVER_DRAINING"},
            ),
        },
    ),
    "/metrics": _operator(
        "Metrics",
        "The metrics of this gateway",
        {"200": _response("For Prometheus.", "text/plain", {"type": "string"})},
    ),
    "/openapi.json": _operator(
        "OpenApi",
        "This document",
        {"200": _response("OpenAPI 3.1.", "application/json", {"type": "object"})},
    ),
}
