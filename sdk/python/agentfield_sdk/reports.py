"""How an execution went: run the function, say what came of it, and get that across."""

from __future__ import annotations

__all__ = ["deliver", "outcome"]

import asyncio
import logging
from collections.abc import Mapping

import orjson

from agentfield.process.groups import sole_error
from agentfield.v1 import errors
from agentfield.v1.agent_service_pb2 import Execute
from agentfield.v1.error_reason_pb2 import ErrorReason
from agentfield.v1.execution_pb2 import ExecutionStatus
from agentfield.v1.execution_service_pb2 import ReportExecutionRequest
from agentfield_sdk.connection import Connection
from agentfield_sdk.failures import facts_of, limited, text_of
from agentfield_sdk.functions import DeclaredFunction, InputRefused

log = logging.getLogger("agentfield.worker")

_REFUSED_SECONDS = 5.0
_UNTOLD = "The function failed, and what it said of it could not be stored."


async def outcome(function: DeclaredFunction | None, execute: Execute) -> ReportExecutionRequest:
    """Run a function and return the report of it, whatever it does, ``sys.exit`` included.

    Only a cancellation of this task and Ctrl-C pass through.
    """
    if function is None:
        return _failed(execute, f"This worker has no function '{execute.function}'.")
    try:
        result = await function.run(execute.input)
    except InputRefused as refused:
        return _failed(execute, str(refused), reason=ErrorReason.ERROR_REASON_INVALID_INPUT)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            raise
        return _raised(execute, error)
    return ReportExecutionRequest(
        execution_id=execute.execution_id,
        attempt=execute.attempt,
        status=ExecutionStatus.EXECUTION_STATUS_SUCCEEDED,
        result=result,
    )


async def deliver(connection: Connection, report: ReportExecutionRequest) -> None:
    """Report until the control plane has answered, however long that takes."""
    while True:
        try:
            await connection.call(
                connection.executions.ReportExecution, report, retry_for=float("inf")
            )
        except (errors.AttemptSuperseded, errors.ExecutionNotFound, errors.PermissionDenied) as no:
            facts = {"execution_id": report.execution_id, "reason": no.reason}
            log.warning("report not wanted", extra=facts)
            return
        except (errors.PayloadTooLarge, errors.InvalidArgument) as no:
            if report.error == _UNTOLD:
                facts = {"execution_id": report.execution_id, "reason": no.reason}
                log.error("report refused", extra=facts)  # noqa: TRY400 - the reason is enough
                return
            failed = report.status == ExecutionStatus.EXECUTION_STATUS_FAILED
            report = _failed(report, _UNTOLD) if failed else _unreportable(report, no)
        except errors.AgentFieldError as trouble:
            facts = {"execution_id": report.execution_id, "reason": trouble.reason}
            log.warning("report not taken, trying again", extra=facts)
            await asyncio.sleep(_REFUSED_SECONDS)
        else:
            return


def _unreportable(
    report: ReportExecutionRequest, error: errors.AgentFieldError
) -> ReportExecutionRequest:
    too_large = isinstance(error, errors.PayloadTooLarge)
    return _failed(
        report,
        f"The result of {len(report.result)} bytes was refused: {error}",
        reason=ErrorReason.ERROR_REASON_PAYLOAD_TOO_LARGE
        if too_large
        else ErrorReason.ERROR_REASON_EXECUTION_FAILED,
    )


def _failed(
    of: Execute | ReportExecutionRequest,
    message: str,
    *,
    reason: ErrorReason.ValueType = ErrorReason.ERROR_REASON_EXECUTION_FAILED,
    details: Mapping[str, str] | None = None,
) -> ReportExecutionRequest:
    return ReportExecutionRequest(
        execution_id=of.execution_id,
        attempt=of.attempt,
        status=ExecutionStatus.EXECUTION_STATUS_FAILED,
        error=limited(message),
        error_reason=reason,
        error_details=orjson.dumps(details) if details else b"",
    )


def _raised(execute: Execute, error: BaseException) -> ReportExecutionRequest:
    error = sole_error(error)
    facts = facts_of(error)
    names = {"execution_id": execute.execution_id, "function": execute.function}
    log.warning("function raised", extra=names | facts)
    details = {"type": facts["type"]}
    if isinstance(error, errors.AgentFieldError):
        details["reason"] = error.reason
    return _failed(execute, text_of(error), details=details)
