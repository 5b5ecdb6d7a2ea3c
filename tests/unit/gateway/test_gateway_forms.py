"""Answers that existing clients read, made from the contract's own."""

from __future__ import annotations

import json

import pytest
from unit.gateway.scripted_transport import Gateway

from agentfield.v1 import error_reason_pb2, execution_pb2, forms_pb2, session_service_pb2
from agentfield.v1 import execution_service_pb2 as pb
from agentfield.v1 import workflow_service_pb2 as workflow_pb2
from agentfield_gateway.legacy import ANSWERS, BODIES, FAILURES

pytestmark = pytest.mark.unit

EXACT = b'{"n": 9007199254740993, "x":1.0}'


def execution(**facts: object) -> execution_pb2.Execution:
    made = execution_pb2.Execution(execution_id="exec_1", run_id="run_1", **facts)  # type: ignore[arg-type]
    made.created_at.FromJsonString("2026-01-31T12:00:00Z")
    return made


def test_every_form_of_the_contract_is_made_or_read_by_one_function() -> None:
    forms = {name for name in forms_pb2.DESCRIPTOR.message_types_by_name if name.endswith("Form")}

    assert {*ANSWERS, *BODIES, *FAILURES} == forms


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


def workflow(*found: execution_pb2.Execution, more: str = "") -> workflow_pb2.GetWorkflowResponse:
    return workflow_pb2.GetWorkflowResponse(
        workflow=workflow_pb2.Workflow(run_id="run_1", target="desk.talk", total_executions=4),
        executions=found,
        next_page_token=more,
    )


def call(name: str, parent: str = "", **facts: object) -> execution_pb2.Execution:
    made = execution(target=f"desk.{name}", parent_execution_id=parent, **facts)
    made.execution_id = name
    return made


async def test_a_workflow_is_a_tree_and_a_list(gateway: Gateway) -> None:
    gateway.plane.answers["GetWorkflow"] = workflow(
        call("talk"), call("find", "talk"), call("joined"), call("look", "find")
    )

    found = await (await gateway.get("/api/v1/workflows/run_1/dag")).json()

    tree = found["dag"]
    assert [child["execution_id"] for child in tree["children"]] == ["find", "joined"]
    assert [child["execution_id"] for child in tree["children"][0]["children"]] == ["look"]
    assert [entry["execution_id"] for entry in found["timeline"]] == [
        "talk",
        "find",
        "joined",
        "look",
    ]
    assert (found["workflow_name"], found["root_workflow_id"]) == ("talk", "run_1")


@pytest.mark.parametrize("query", ["mode=lightweight", "mode=Lightweight", "lightweight=1"])
async def test_a_lightweight_workflow_is_a_short_list(gateway: Gateway, query: str) -> None:
    gateway.plane.answers["GetWorkflow"] = workflow(call("talk", attempt=3))

    found = await (await gateway.get(f"/api/v1/workflows/run_1/dag?{query}")).json()

    assert "dag" not in found
    assert found["mode"] == "lightweight"
    assert "attempt" not in found["timeline"][0]


async def test_a_failure_anywhere_fails_the_whole_for_existing_clients(gateway: Gateway) -> None:
    gateway.plane.answers["GetWorkflow"] = workflow(
        call("talk"), call("find", "talk", status=execution_pb2.EXECUTION_STATUS_FAILED)
    )

    found = await (await gateway.get("/api/v1/workflows/run_1/dag")).json()

    assert found["workflow_status"] == "failed"


async def test_all_pages_of_a_workflow_are_one_answer_unless_a_page_is_asked_for(
    gateway: Gateway,
) -> None:
    gateway.plane.answers["GetWorkflow"] = workflow(call("talk"), more="next")

    whole = await (await gateway.get("/api/v1/workflows/run_1/dag")).json()
    asked = [heard.request.page_token for heard in gateway.plane.heard]
    page = await (await gateway.get("/api/v1/workflows/run_1/dag?page_size=1")).json()

    # This one never ends: what ten pages do not hold is asked for by its token.
    assert (len(whole["timeline"]), whole["next_page_token"]) == (10, "next")
    assert asked == ["", *["next"] * 9]
    assert len(page["timeline"]) == 1


@pytest.mark.parametrize(
    ("started_at", "before"), [("2026-01-31T12:00:00Z", "running"), ("", "queued")]
)
async def test_who_cancels_is_told_what_was_before(
    gateway: Gateway, started_at: str, before: str
) -> None:
    found = execution(status=execution_pb2.EXECUTION_STATUS_CANCELLED)
    found.completed_at.FromJsonString("2026-01-31T12:00:09Z")
    if started_at:
        found.started_at.FromJsonString(started_at)
    gateway.plane.answers["CancelExecution"] = pb.CancelExecutionResponse(
        execution=found, cancelled_count=1
    )

    answer = await gateway.post("/api/v1/executions/exec_1/cancel", b'{"reason":"enough"}')

    body = await answer.json()
    assert (body["previous_status"], body["status"]) == (before, "cancelled")
    assert (body["reason"], body["cancelled_at"]) == ("enough", "2026-01-31T12:00:09Z")


async def test_who_cancels_what_has_ended_is_told_that_it_had(gateway: Gateway) -> None:
    gateway.plane.answers["CancelExecution"] = pb.CancelExecutionResponse(
        execution=execution(status=execution_pb2.EXECUTION_STATUS_SUCCEEDED)
    )

    body = await (await gateway.post("/api/v1/executions/exec_1/cancel")).json()

    assert (body["previous_status"], body["status"]) == ("succeeded", "succeeded")
    assert "cancelled_at" not in body


@pytest.mark.parametrize(
    ("start", "prefix"), [("session-targets", "session-instances"), ("sessions", "sessions")]
)
async def test_a_session_s_addresses_are_of_the_family_it_was_started_by(
    gateway: Gateway, start: str, prefix: str
) -> None:
    gateway.plane.answers["StartSession"] = session_service_pb2.StartSessionResponse(
        offer_url="/api/v1/session-instances/sess_1/realtime-offer?provider=openai",
        tool_url="/api/v1/session-instances/sess_1/tools/{tool}",
    )

    found = await (await gateway.post(f"/api/v1/{start}/desk.talk/start")).json()

    assert found["offer_url"] == f"/api/v1/{prefix}/sess_1/realtime-offer?provider=openai"
    assert found["tool_url"] == f"/api/v1/{prefix}/sess_1/tools/{{tool}}"
    assert (found["model"], found["voice"], found["turn_detection"]) == ("", "", None)


@pytest.mark.parametrize("name", ["api_key", "start_token", "session_token", "access_token"])
@pytest.mark.parametrize("path", ["/api/v1/workflows/run_1/dag", "/api/v1/execute/n.f"])
async def test_a_key_or_token_in_the_query_is_refused_and_not_repeated(
    gateway: Gateway, path: str, name: str
) -> None:
    verb = "POST" if "execute" in path else "GET"

    answer = await gateway.send(verb, f"{path}?{name}=very-secret")

    text = await answer.text()
    assert answer.status == 400
    assert "X-API-Key" in text
    assert "very-secret" not in text
    assert not gateway.plane.heard
