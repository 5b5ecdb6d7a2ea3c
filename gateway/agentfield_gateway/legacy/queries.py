"""Queries as existing clients read them: everything in an envelope, failures too."""

from __future__ import annotations

__all__ = ["answer", "failure"]

from google.protobuf.timestamp_pb2 import Timestamp

from agentfield.v1 import (
    error_reason_pb2,
    errors,
    execution_pb2,
    forms_pb2,
    workflow_service_pb2,
)
from agentfield_gateway.legacy.asked import Asked
from agentfield_gateway.legacy.executions import began, function_of, reason_of


def answer(response: workflow_service_pb2.QueryResponse, _: Asked) -> forms_pb2.QueryForm:
    """Return what was found in its envelope."""
    form = forms_pb2.QueryForm(ok=True)
    form.data.resource = response.resource
    form.data.total, form.data.limit = response.total, response.limit
    form.data.offset = response.offset
    for workflow in response.workflows:
        form.data.results.add(workflow=_workflow(workflow))
    for execution in response.executions:
        form.data.results.add(execution=_execution(execution))
    for session in response.sessions:
        form.data.results.add(session=_session(session))
    return form


def failure(error: errors.AgentFieldError) -> forms_pb2.QueryFailureForm:
    """Return a failure in its envelope, with the code existing clients know for it."""
    message = _plain(error.message)
    usual = "invalid_request" if isinstance(error, errors.InvalidArgument) else "query_failed"
    return forms_pb2.QueryFailureForm(
        ok=False,
        error=forms_pb2.QueryFailure(
            code=error.metadata.get("code") or error.word or usual, message=message
        ),
        message=message,
        reason=error_reason_pb2.ErrorReason.Value(f"ERROR_REASON_{error.reason}"),
        details={name: _plain(text) for name, text in error.metadata.items()},
    )


def _workflow(found: workflow_service_pb2.Workflow) -> forms_pb2.WorkflowRow:
    return forms_pb2.WorkflowRow(
        workflow=found,
        workflow_name=function_of(found.target),
        root_workflow_id=found.run_id,
        successful_executions=found.total_executions
        - found.active_executions
        - found.failed_executions,
        failed_executions=found.failed_executions,
        total_duration_ms=found.duration_ms,
        started_at=found.created_at,
        updated_at=_latest(found.created_at, found.completed_at),
    )


def _execution(found: execution_pb2.Execution) -> forms_pb2.ExecutionRow:
    return forms_pb2.ExecutionRow(
        execution=found,
        agent_node_id=found.node_id,
        reasoner_id=function_of(found.target),
        input=b'{"input":' + (found.input or b"{}") + b"}",
        status_reason=reason_of(found),
        error_message=found.error,
        started_at=began(found),
        updated_at=_latest(found.created_at, found.started_at, found.completed_at),
    )


def _session(found: workflow_service_pb2.SessionSummary) -> forms_pb2.SessionRow:
    latest = _latest(found.created_at, found.ended_at)
    return forms_pb2.SessionRow(
        session=found,
        session_name=function_of(found.target),
        root_session_id=found.session_id,
        started_at=found.created_at,
        last_activity_at=latest,
        updated_at=latest,
    )


def _plain(text: str) -> str:
    # A message may quote half a surrogate pair, which no message of the contract can carry.
    return text.encode(errors="replace").decode()


def _latest(*times: Timestamp) -> Timestamp:
    return max(times, key=Timestamp.ToNanoseconds)
