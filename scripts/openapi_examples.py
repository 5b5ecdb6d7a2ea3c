"""Examples of bodies: one small story, told in the fields of the contract."""

from __future__ import annotations

__all__ = ["answer_example", "example", "filled"]

import json
from typing import Any, TypeVar

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from agentfield.contract.fields import enum_text, is_flat
from agentfield.contract.json import load, to_plain
from agentfield_gateway.legacy import Asked, form_answer
from agentfield_gateway.routes import Route, Rpc
from scripts.openapi_agent_examples import AGENT_SAMPLES
from scripts.openapi_session_examples import SESSION_SAMPLES

M = TypeVar("M", bound=Message)

EXECUTION_ID = "exec_01kb0z6v5tq8w2m4r7y9c3e1hn"
RUN_ID = "run_01kb0z6v5tf3x8d2k6p0s4a7jg"
TOKEN = "MTIz"  # noqa: S105 - where a page starts

SAMPLES: dict[str, Any] = {
    # By name. None: left out.
    "actor_id": "user-7",
    "agent_node_id": "weather",
    "attempt": 1,
    "auth_mode": "api_key",
    "cancelled_at": "2026-11-23T12:00:00.930Z",
    "cancelled_count": 1,
    "completed_at": "2026-11-23T12:00:00.930Z",
    "connected": True,
    "created_at": "2026-11-23T12:00:00.118Z",
    "created_by": "web",
    "description": "Tells the weather.",
    "duration_ms": 812,
    "error": None,
    "error_details": None,
    "error_reason": None,
    "execution_id": EXECUTION_ID,
    "execution_ids": [EXECUTION_ID, "exec_00000000000000000000000000"],
    "enqueued_at": "2026-11-23T12:00:00.118Z",
    "expires_at": "2026-11-23T12:01:30.118Z",
    "finished_at": "2026-11-23T12:00:00.930Z",
    "http_url": "http://127.0.0.1:8080",
    "input": {"city": "Paris"},
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
    "instance_id": "weather-1",
    "kind": "skill",
    "late_report": None,
    "lease": "60s",
    "missing": ["exec_00000000000000000000000000"],
    "name": "forecast",
    "next_page_token": TOKEN,
    "mode": None,
    "node_id": "weather",
    "output_schema": {"type": "object"},
    "page_size": 20,
    "page_token": None,
    "parent_execution_id": None,
    "previous_status": "running",
    "reason": "The user left.",
    "reasoner_id": "forecast",
    "registration_id": "reg_01kb0z6tz0n5b9v1q3w7d8k2xm",
    "request_id": "order-4711",
    "result": {"celsius": 21},
    "root_execution_id": EXECUTION_ID,
    "root_workflow_id": RUN_ID,
    "run_id": RUN_ID,
    "seen_at": "2026-11-23T12:00:00.118Z",
    "started_at": "2026-11-23T12:00:00.121Z",
    "status": "succeeded",
    "tags": ["weather"],
    "status_reason": None,
    "target": "weather.forecast",
    "timeout": "90s",
    "total_executions": 1,
    "total_nodes": 1,
    "updated_at": "2026-11-23T11:59:00Z",
    "version": "1.4.0",
    "workflow_id": RUN_ID,
    "workflow_name": "forecast",
    "workflow_status": "succeeded",
    # By message and name.
    "AcceptedForm.type": "skill",
    "Execution.session_id": None,
    "ExecuteAsyncResponse.status": "queued",
    "GetServerInfoResponse.version": "0.1.0",
    "Limits.agent_grace": "15s",
    "Limits.execute_async_timeout": "7200s",
    "Limits.execute_timeout": "90s",
    "Limits.max_depth": 64,
    "Limits.max_payload_bytes": 8_388_608,
    "Node.created_at": "2026-11-20T08:30:00Z",
    "Workflow.session_id": None,
    # By where it stands in a body.
    "CancelForm.execution.input": None,
    "CancelForm.execution.result": None,
    "CancelForm.execution.status": "cancelled",
    "CancelForm.status": "cancelled",
    "DagForm.next_page_token": None,
    "QueryRequest.filters": {"session_id": "sess_01kb0z6v5tn7c3g9q5x1d8b2fw"},
    "QueryRequest.limit": 20,
    "QueryRequest.resource": "workflows",
    "QueryResponse.executions": [],
    "QueryResponse.limit": 20,
    "QueryResponse.resource": "workflows",
    "QueryResponse.sessions": [],
    "QueryResponse.total": 1,
    "DagForm.timeline.input": None,
    "DagForm.timeline.result": None,
    "ListExecutionsResponse.executions.input": None,
    "ListExecutionsResponse.executions.result": None,
    **SESSION_SAMPLES,
    **AGENT_SAMPLES,
}


def example(message: Descriptor, *, without: frozenset[str] = frozenset(), at: str = "") -> Any:
    """Return JSON that such a message may look like."""
    at = at or message.name
    found: dict[str, Any] = {}
    for field in message.fields:
        keys = (f"{at}.{field.name}", f"{message.name}.{field.name}", field.name)
        if field.message_type and is_flat(field):
            found |= example(field.message_type, at=at)
            continue
        samples = [SAMPLES[key] for key in keys if key in SAMPLES]
        value = samples[0] if samples else _made(field, f"{at}.{field.name}")
        if value is not None and field.name not in without:
            found[field.name] = value
    return found


def answer_example(route: Route[Rpc], response: Descriptor) -> Any:
    """Return JSON that the answer of a route may look like, before one field is taken of it."""
    form, shown = route.leads_to.answer_form, example(response)
    if form is None:
        return shown
    asked_for: Any = route.leads_to.request.DESCRIPTOR
    request = filled(route.leads_to.request(), example(asked_for))
    asked = Asked(template=route.template, request=request, query={})
    answer = form_answer(form, filled(GetMessageClass(response)(), shown), asked)
    # Sorted: maps have no order, and the document is to be the same each time.
    return json.loads(orjson.dumps(to_plain(answer), option=orjson.OPT_SORT_KEYS))


def filled(message: M, plain: Any) -> M:
    """Put JSON into a message and return it: maps too, which no request has."""
    for name, value in plain.items():
        field = message.DESCRIPTOR.fields_by_name[name]
        target, kind = getattr(message, name), field.message_type
        if kind is not None and kind.GetOptions().map_entry:
            for key, each in value.items():
                if kind.fields_by_name["value"].message_type is None:
                    target[key] = each
                else:
                    filled(target[key], each)
        elif kind is not None and kind.file.package == message.DESCRIPTOR.file.package:
            for each in value if field.is_repeated else [value]:
                filled(target.add() if field.is_repeated else target, each)
        else:
            load(message, json.dumps({name: value}).encode())
    return message


def _made(field: FieldDescriptor, at: str) -> Any:
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        return {EXECUTION_ID: _made(message.fields_by_name["value"], at)}
    if message is not None and message is field.containing_type:
        return []  # it nests itself
    if message is not None:
        one: Any = example(message, at=at)
    elif field.enum_type is not None:
        one = enum_text(field.enum_type, 1)
    else:
        one = field.default_value
    return [one] if field.is_repeated else one
