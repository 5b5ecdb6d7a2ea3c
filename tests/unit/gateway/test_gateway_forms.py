"""Answers that existing clients read, made from the contract's own."""

from __future__ import annotations

import json

import pytest
from unit.gateway.scripted_transport import Gateway

from agentfield.v1 import error_reason_pb2, execution_pb2, forms_pb2
from agentfield.v1 import execution_service_pb2 as pb
from agentfield_gateway.legacy import ANSWERS, BODIES

pytestmark = pytest.mark.unit

EXACT = b'{"n": 9007199254740993, "x":1.0}'


def execution(**facts: object) -> execution_pb2.Execution:
    made = execution_pb2.Execution(execution_id="exec_1", run_id="run_1", **facts)  # type: ignore[arg-type]
    made.created_at.FromJsonString("2026-01-31T12:00:00Z")
    return made


def test_every_form_of_the_contract_is_made_or_read_by_one_function() -> None:
    nested: set[str] = set()

    assert {*ANSWERS, *BODIES} | nested >= set(forms_pb2.DESCRIPTOR.message_types_by_name)


async def test_a_json_result_passes_a_form_byte_for_byte(gateway: Gateway) -> None:
    gateway.plane.answers["GetExecution"] = pb.GetExecutionResponse(
        execution=execution(result=EXACT, status=execution_pb2.EXECUTION_STATUS_SUCCEEDED)
    )

    answer = await gateway.get("/api/v1/executions/exec_1")

    assert b'"result":' + EXACT in await answer.read()


async def test_an_execution_that_waits_began_when_it_was_stored(gateway: Gateway) -> None:
    gateway.plane.answers["GetExecution"] = pb.GetExecutionResponse(
        execution=execution(status=execution_pb2.EXECUTION_STATUS_QUEUED)
    )

    found = json.loads(await (await gateway.get("/api/v1/executions/exec_1")).read())

    assert found["started_at"] == found["created_at"] == "2026-01-31T12:00:00Z"
    assert found["webhook_registered"] is False
    assert "status_reason" not in found


async def test_many_executions_are_answered_by_id_those_that_are_missing_too(
    gateway: Gateway,
) -> None:
    response = pb.BatchGetExecutionsResponse(missing=["gone"])
    response.executions["exec_1"].CopyFrom(
        execution(
            status=execution_pb2.EXECUTION_STATUS_FAILED,
            error="no",
            error_reason=error_reason_pb2.ERROR_REASON_AGENT_LOST,
        )
    )
    gateway.plane.answers["BatchGetExecutions"] = response

    answer = await gateway.post("/api/v1/executions/batch-status", b'{"execution_ids":[]}')

    found = json.loads(await answer.read())
    assert found["gone"] == {"execution_id": "gone", "status": "not_found"}
    assert found["exec_1"]["status"] == "failed"
    assert (found["exec_1"]["error"], found["exec_1"]["status_reason"]) == ("no", "AGENT_LOST")


@pytest.mark.parametrize("extra", [b'"context": {}', b'"webhook": {"url": "http://x"}'])
async def test_what_existing_clients_send_besides_is_no_error(
    gateway: Gateway, extra: bytes
) -> None:
    answer = await gateway.post("/api/v1/execute/async/n.f", b'{"input": {}, ' + extra + b"}")

    assert answer.status == 202
    assert json.loads(await answer.read())["webhook_registered"] is False
