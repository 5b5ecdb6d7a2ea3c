"""Executions as existing clients read them."""

from __future__ import annotations

__all__ = ["accepted", "batch", "began", "cancelled", "execution", "function_of", "reason_of"]

from google.protobuf.timestamp_pb2 import Timestamp

from agentfield.contract.fields import enum_text
from agentfield.v1 import (
    error_reason_pb2,
    execution_pb2,
    execution_service_pb2,
    forms_pb2,
    session_service_pb2,
)
from agentfield_gateway.legacy.asked import Asked

_REASONS = error_reason_pb2.ErrorReason.DESCRIPTOR
_CANCELLED = execution_pb2.EXECUTION_STATUS_CANCELLED
_QUEUED = execution_pb2.EXECUTION_STATUS_QUEUED
_RUNNING = execution_pb2.EXECUTION_STATUS_RUNNING
_STATUSES = execution_pb2.ExecutionStatus.DESCRIPTOR


def accepted(
    response: execution_service_pb2.ExecuteAsyncResponse | session_service_pb2.InvokeToolResponse,
    _: Asked,
) -> forms_pb2.AcceptedForm:
    """Return an execution that was accepted, with the names existing clients have for its facts."""
    form = forms_pb2.AcceptedForm(type=response.kind)
    form.accepted.ParseFromString(response.SerializeToString())
    if response.HasField("created_at"):
        form.enqueued_at.CopyFrom(response.created_at)
    return form


def execution(
    response: execution_service_pb2.GetExecutionResponse, _: Asked
) -> forms_pb2.ExecutionForm:
    """Return an execution as those who poll for it read it."""
    return _form(response.execution)


def batch(
    response: execution_service_pb2.BatchGetExecutionsResponse, _: Asked
) -> forms_pb2.ExecutionsForm:
    """Return every execution that was asked for by its id, those that do not exist as well."""
    form = forms_pb2.ExecutionsForm()
    for execution_id, found in response.executions.items():
        form.executions[execution_id].CopyFrom(_form(found))
    for execution_id in response.missing:
        missing = forms_pb2.ExecutionForm(execution_id=execution_id, status="not_found")
        form.executions[execution_id].CopyFrom(missing)
    return form


def cancelled(
    response: execution_service_pb2.CancelExecutionResponse, asked: Asked
) -> forms_pb2.CancelForm:
    """Return a cancelled execution; one that had ended already stands as it is."""
    found = response.execution
    ended_now = response.cancelled_count and found.status == _CANCELLED
    ran = _RUNNING if found.HasField("started_at") else _QUEUED
    form = forms_pb2.CancelForm(
        cancelled=response,
        execution_id=found.execution_id,
        previous_status=ran if ended_now else found.status,
        status=found.status,
        reason=asked.request.reason,
    )
    if found.status == _CANCELLED:
        form.cancelled_at.CopyFrom(found.completed_at)
    return form


def began(execution: execution_pb2.Execution) -> Timestamp:
    """Return when an execution began: until a worker accepts it, when it was stored."""
    has_begun = execution.HasField("started_at")
    return execution.started_at if has_begun else execution.created_at


def function_of(target: str) -> str:
    """Return the function of ``node.function``."""
    return target.partition(".")[2]


def reason_of(execution: execution_pb2.Execution) -> str:
    """Return the word for why an execution did not succeed; empty if it did."""
    if 400 <= execution.error_status_code < 500:
        return f"agent_client_error:{execution.error_status_code}"
    return enum_text(_REASONS, execution.error_reason) if execution.error_reason else ""


def _form(found: execution_pb2.Execution) -> forms_pb2.ExecutionForm:
    form = forms_pb2.ExecutionForm(
        execution=found,
        execution_id=found.execution_id,
        status=enum_text(_STATUSES, found.status),
        status_reason=reason_of(found),
        webhook_registered=False,
    )
    form.started_at.CopyFrom(began(found))
    return form
