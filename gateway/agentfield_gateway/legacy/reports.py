"""What existing agents tell of executions."""

from __future__ import annotations

__all__ = ["event", "noted", "report", "too_large"]

from agentfield.v1 import (
    error_reason_pb2,
    execution_pb2,
    execution_service_pb2,
    forms_pb2,
    journal_service_pb2,
)
from agentfield_gateway.legacy.asked import Asked
from agentfield_gateway.legacy.words import reported_status

MAX_DETAILS = 32 * 1024
_NOTHING = (b"", b"null")
_CUT = b'{"truncated":true}'


def report(form: forms_pb2.ReportForm) -> execution_service_pb2.ReportExecutionRequest:
    """Return how an execution went. Raises InvalidArgument for a status that is none."""
    code = form.error_status_code
    return execution_service_pb2.ReportExecutionRequest(
        execution_id=form.execution_id,
        attempt=form.attempt,
        status=reported_status(form.status),
        result=form.result,
        error=form.error,
        error_reason=form.error_reason,
        error_details=_object(form.error_details),
        error_status_code=code if 400 <= code <= 599 else 0,
        usage=_object(form.usage),
    )


def too_large(execution_id: str, limit: int) -> execution_service_pb2.ReportExecutionRequest:
    """Return what a report says whose body cannot be read: existing agents do not report again."""
    return execution_service_pb2.ReportExecutionRequest(
        execution_id=execution_id,
        status=execution_pb2.EXECUTION_STATUS_FAILED,
        error=f"The agent's report is larger than {limit} bytes.",
        error_reason=error_reason_pb2.ERROR_REASON_PAYLOAD_TOO_LARGE,
    )


def _object(json: bytes) -> bytes:
    """Return an object that is small enough, whatever came: a report must not fail for these."""
    if json in _NOTHING:
        return b""
    if len(json) > MAX_DETAILS - len(_CUT):
        return _CUT
    return json if json.startswith(b"{") else b'{"value":%b}' % json


def event(form: forms_pb2.EventForm) -> journal_service_pb2.RecordExecutionRequest:
    """Return what an agent tells of a call of its own."""
    given = form.input if form.input not in _NOTHING else form.input_data
    return journal_service_pb2.RecordExecutionRequest(
        execution_id=form.execution_id,
        node_id=form.node_id or form.agent_node_id,
        function=form.function or form.reasoner_id or form.reasoner_name,
        parent_execution_id=form.parent_execution_id,
        status=reported_status(form.status or "running"),
        input=b"" if given in _NOTHING else given,
        result=form.result,
        error=form.error,
    )


def noted(response: journal_service_pb2.AddNoteResponse, _: Asked) -> forms_pb2.NotedForm:
    """Return that a note was kept."""
    return forms_pb2.NotedForm(noted=response, success=True, message="Note added successfully")
