from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from unit.sdk.fake_plane import FakePlane

from agentfield.v1 import errors
from agentfield.v1.agent_service_pb2 import Execute
from agentfield.v1.error_reason_pb2 import ErrorReason
from agentfield.v1.execution_pb2 import ExecutionStatus
from agentfield.v1.execution_service_pb2 import ReportExecutionRequest, ReportExecutionResponse
from agentfield_sdk import reports
from agentfield_sdk.connection import Connection
from agentfield_sdk.functions import declare
from agentfield_sdk.reports import deliver, outcome

pytestmark = pytest.mark.unit

SUCCEEDED = ExecutionStatus.EXECUTION_STATUS_SUCCEEDED
FAILED = ExecutionStatus.EXECUTION_STATUS_FAILED
ANSWER = ReportExecutionResponse()


class Mute(Exception):
    def __str__(self) -> str:
        raise ValueError("nothing to say")


class Odd(BaseException):
    pass


def report_of(result: bytes = b"1") -> ReportExecutionRequest:
    return ReportExecutionRequest(execution_id="e", attempt=2, status=SUCCEEDED, result=result)


async def run(function: Callable[..., Any], input_: bytes = b"{}") -> ReportExecutionRequest:
    execute = Execute(execution_id="e", attempt=2, function="f", input=input_)
    return await outcome(declare(function, name=None, kind="skill"), execute)


def raising(error: BaseException) -> Callable[..., Any]:
    async def function() -> None:
        raise error

    return function


async def test_a_function_that_returns_has_succeeded() -> None:
    def double(n: int) -> int:
        return 2 * n

    assert await run(double, b'{"n": 4}') == report_of(b"8")


@pytest.mark.parametrize(
    ("error", "text", "kind"),
    [
        (KeyError("x"), "KeyError: 'x'", "KeyError"),
        (ValueError(), "ValueError", "ValueError"),
        (Mute(), "Mute: <exception str() failed>", "Mute"),
        (OSError("\udcff"), "OSError: ?", "OSError"),
        (Odd("x"), "Odd: x", "Odd"),
        (asyncio.CancelledError("own"), "CancelledError: own", "CancelledError"),
        (TimeoutError("late"), "TimeoutError: late", "TimeoutError"),
        (ExceptionGroup("many", [KeyError("x")]), "KeyError: 'x'", "KeyError"),
        (
            ExceptionGroup("many", [KeyError("x"), ValueError("y")]),
            "many: KeyError: 'x'; ValueError: y",
            "ExceptionGroup",
        ),
    ],
)
async def test_whatever_a_function_raises_is_reported(
    error: BaseException, text: str, kind: str
) -> None:
    report = await run(raising(error))

    assert (report.status, report.error) == (FAILED, text)
    assert report.error_reason == ErrorReason.ERROR_REASON_EXECUTION_FAILED
    assert orjson.loads(report.error_details) == {"type": kind}


async def test_the_failure_of_a_nested_call_keeps_its_words_and_its_reason() -> None:
    report = await run(raising(errors.InvalidInput("count: too small")))

    assert report.error == "count: too small"
    assert report.error_reason == ErrorReason.ERROR_REASON_EXECUTION_FAILED
    assert orjson.loads(report.error_details) == {"type": "InvalidInput", "reason": "INVALID_INPUT"}


async def test_an_input_that_does_not_fit_is_invalid_input() -> None:
    def function(n: int) -> int:
        return n

    report = await run(function, b'{"n": "private"}')

    assert report.error_reason == ErrorReason.ERROR_REASON_INVALID_INPUT
    assert "n: " in report.error
    assert "private" not in report.error


async def test_a_function_this_worker_does_not_have_is_reported() -> None:
    report = await outcome(None, Execute(execution_id="e", attempt=2, function="f"))

    assert (report.status, report.error) == (FAILED, "This worker has no function 'f'.")


async def test_ctrl_c_passes_through_and_sys_exit_is_a_failure_of_the_function() -> None:
    with pytest.raises(KeyboardInterrupt):
        await run(raising(KeyboardInterrupt()))

    assert (await run(raising(SystemExit(3)))).error == "SystemExit: 3"


async def test_long_errors_and_long_explanations_are_cut() -> None:
    report = await run(raising(ValueError("x" * 100_000)))
    assert len(report.error) == 32 * 1024

    async def function(numbers: list[int]) -> None: ...

    refused = await run(function, orjson.dumps({"numbers": ["x"] * 100}))
    assert refused.error.endswith("; and 95 more.")


async def test_a_cancelled_task_reports_nothing() -> None:
    started = asyncio.Event()

    async def function() -> None:
        started.set()
        await asyncio.Event().wait()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(run(function))
        await started.wait()
        task.cancel()

    assert task.cancelled()


async def test_no_words_of_people_reach_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await run(raising(ValueError("private")))

    logged = str([record.__dict__ for record in caplog.records])
    assert "function raised" in logged
    assert "private" not in logged


async def test_a_report_is_repeated_until_it_is_answered(
    plane: FakePlane, connection: Connection
) -> None:
    full = errors.StoreUnavailable("Full.")
    plane.answers("ReportExecution", full, full, ANSWER)

    await deliver(connection, report_of())

    assert plane.requests("ReportExecution") == [report_of()] * 3


async def test_a_report_survives_an_error_inside_the_control_plane(
    plane: FakePlane, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "_REFUSED_SECONDS", 0.01)
    plane.answers("ReportExecution", errors.Internal("Broken."), ANSWER)

    await deliver(connection, report_of())

    assert len(plane.requests("ReportExecution")) == 2


@pytest.mark.parametrize(
    "final", [errors.AttemptSuperseded, errors.ExecutionNotFound, errors.PermissionDenied]
)
async def test_a_report_that_nobody_wants_is_given_up(
    plane: FakePlane, connection: Connection, final: type[errors.AgentFieldError]
) -> None:
    plane.answers("ReportExecution", final("No."))

    await deliver(connection, report_of())

    assert len(plane.requests("ReportExecution")) == 1


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (errors.PayloadTooLarge("Limit 1."), ErrorReason.ERROR_REASON_PAYLOAD_TOO_LARGE),
        (errors.InvalidArgument("Not JSON."), ErrorReason.ERROR_REASON_EXECUTION_FAILED),
    ],
)
async def test_a_result_that_is_refused_becomes_a_failure_that_says_so(
    plane: FakePlane,
    connection: Connection,
    refusal: errors.AgentFieldError,
    reason: ErrorReason.ValueType,
) -> None:
    plane.answers("ReportExecution", refusal, ANSWER)

    await deliver(connection, report_of(b'"long"'))

    last = plane.requests("ReportExecution")[-1]
    assert (last.status, last.attempt, last.error_reason) == (FAILED, 2, reason)
    assert last.error == f"The result of 6 bytes was refused: {refusal}"


async def test_a_failure_that_is_refused_is_told_without_its_words(
    plane: FakePlane, connection: Connection
) -> None:
    plane.answers("ReportExecution", errors.InvalidArgument("No."))

    await deliver(connection, report_of())

    *_, wordy, plain = plane.requests("ReportExecution")
    assert len(plane.requests("ReportExecution")) == 3
    assert "No." in wordy.error
    assert "No." not in plain.error
