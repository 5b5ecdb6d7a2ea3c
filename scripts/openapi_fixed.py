"""What of REST the contract does not say: credentials, headers, and the form of an error."""

from __future__ import annotations

__all__ = ["COMPONENTS", "ERROR", "OVER", "PREFACE", "last_event_id", "with_tokens"]

from collections.abc import Iterable

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
            "parameters are errors.\n\nWhatever fails, fails with an `Error`; each response lists the "
            "reasons that stand behind its status. A path that is none of these fails with "
            "`ROUTE_NOT_FOUND` (404), another verb with `METHOD_NOT_ALLOWED` (405, and `Allow` "
            "says which there are). Every GET that is no stream of events answers HEAD as "
            "well.\n\nA server without keys needs no credential."
        ),
        "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
    },
    "servers": [{"url": "/"}],
    "security": [{"bearer": []}, {"key": []}, {}],
}


def with_tokens(roles: Iterable[str]) -> list[Json]:
    """Return the credentials of an rpc that takes tokens of these roles in place of a key."""
    tokens: list[Json] = [{f"{role}Token": []} for role in sorted(roles)]
    return [{"bearer": []}, {"key": []}, *tokens, {}]


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
        "error_details": {
            "type": "object",
            "description": "What the function said of its failure, if that is short.",
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
            "description": "A key of this server.",
        },
        "key": {
            "type": "apiKey",
            "in": "header",
            "name": "X-API-Key",
            "description": "A key of this server.",
        },
        "sessionToken": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "aft_…",
            "description": (
                "The `session_token` of a start: stands in place of a key for that one session, "
                "until 60 seconds after its end."
            ),
        },
        "startToken": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "afs_…",
            "description": (
                "The `token` of CreateClientToken: stands in place of a key to start sessions of "
                "its one target, until it has expired or is used up."
            ),
        },
    },
}

OVER: Json = {"description": "There was nothing more to send, and never will be."}
"""The answer 204 of a stream that its readers resume."""


def last_event_id(field: str) -> Json:
    """Return the parameter that fills a field with the id of the last event seen."""
    about = f"The id of the last event seen. It wins over {field}."
    return _sent("Last-Event-ID", about, "^[0-9]{1,19}$")
