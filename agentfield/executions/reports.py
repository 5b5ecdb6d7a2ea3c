"""The checks that a report of an execution must pass."""

from __future__ import annotations

__all__ = ["checked_report"]

from agentfield.config import Limits
from agentfield.contract.jsonslice import MalformedJson, check_json
from agentfield.executions.model import Failure, Report, Status
from agentfield.v1 import errors

MAX_DETAILS = 32 * 1024
_REPORTABLE = {
    errors.ExecutionFailed.reason,
    errors.InvalidInput.reason,
    errors.PayloadTooLarge.reason,
    errors.AgentLost.reason,
    errors.ExecutionCancelled.reason,
}


def checked_report(report: Report, limits: Limits) -> Report:
    """Return a report that can be kept.

    What is too large for a worker that names no attempt, and would not report again, is a failure.
    Raises InvalidArgument or PayloadTooLarge.
    """
    size = len(report.result or b"")
    if size > limits.max_payload_bytes:
        message = f"The result has {size} bytes; this server accepts {limits.max_payload_bytes}."
        if not report.attempt:
            too_large = Failure(reason=errors.PayloadTooLarge.reason, message=message)
            return Report(attempt=0, status=Status.FAILED, failure=too_large)
        raise errors.PayloadTooLarge(
            f"{message} Nothing was stored.", metadata={"limit": str(limits.max_payload_bytes)}
        )
    failure = report.failure
    if report.result is not None:
        _check_is_json("result", report.result)
    for name, value in (
        ("error_details", failure.details if failure else None),
        ("usage", report.usage),
    ):
        if value is not None:
            _check_details(name, value)
    if failure and failure.reason not in _REPORTABLE:
        raise errors.InvalidArgument(
            f"A report's error_reason is one of {', '.join(sorted(_REPORTABLE))}, "
            f"not {failure.reason}.",
            metadata={"field": "error_reason"},
        )
    return report


def _check_details(name: str, value: bytes) -> None:
    _check_is_json(name, value, expect_object=True)
    if len(value) > MAX_DETAILS:
        raise errors.PayloadTooLarge(
            f"The {name} has {len(value)} bytes; at most {MAX_DETAILS} are kept. "
            "Nothing was stored.",
            metadata={"limit": str(MAX_DETAILS)},
        )


def _check_is_json(name: str, data: bytes, *, expect_object: bool = False) -> None:
    try:
        check_json(data, expect_object=expect_object)
    except MalformedJson as error:
        raise errors.InvalidArgument(
            f"The {name} must be JSON: {error}.", metadata={"field": name}
        ) from None
