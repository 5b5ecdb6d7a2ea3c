"""A client that a generator made from the OpenAPI document works against a real server."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from support.generated import GeneratedClient, generate_python_client, generated_client
from support.live import Desk, desk, sdp
from support.plane import config_for, keyring, running_plane

from agentfield.identity import Caller

pytestmark = [pytest.mark.integration, pytest.mark.any_database]


@pytest.fixture(scope="module", autouse=True)
def _package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("generated")
    generate_python_client(folder)
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A desk, and the generated client of its gateway."""

    desk: Desk
    client: GeneratedClient
    url: str


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with desk(gateway=True) as at:
        url = f"http://{at.plane.http_address}"
        async with generated_client(url) as client:
            yield Served(desk=at, client=client, url=url)


async def test_it_registers_executes_reports_and_polls(served: Served) -> None:
    client = served.client
    node = {"node_id": "shop", "instance_id": "1", "functions": [{"name": "f", "kind": "skill"}]}
    registered = await client("register_node", body=client.made("RegisterNodeRequest", node))
    assert registered.node.functions[0].kind is client.models.FunctionKind.SKILL
    lease = {"registration_id": registered.registration_id}
    beat = await client("heartbeat", "shop", body=client.made("HeartbeatRequest", lease))
    assert beat.lease.endswith("s")

    body = client.made("ExecuteAsyncRequest", {"input": {"what": "hat"}, "timeout": "60s"})
    asked = await client.detailed("execute_async", "desk.find", body=body, idempotency_key="one")
    again = await client("execute_async", "desk.find", body=body, idempotency_key="one")
    assert asked.parsed.status is client.models.ExecutionStatus.QUEUED
    assert asked.headers["x-execution-id"] == asked.parsed.execution_id == again.execution_id
    work = served.desk.worker.accept(await served.desk.worker.take())
    assert json.loads(work.input) == {"what": "hat"}
    told = {"attempt": work.attempt, "status": "succeeded", "result": [1, "two", None]}
    report = client.made("ReportExecutionRequest", told)
    await client("report_execution", asked.parsed.execution_id, body=report)

    found = await client("get_execution", asked.parsed.execution_id)
    assert found.status == "succeeded"
    assert found.result == [1, "two", None]
    assert found.input_.to_dict() == {"what": "hat"}
    assert found.completed_at >= found.created_at
    events = await client("watch_execution", asked.parsed.execution_id)
    assert json.loads(events.removeprefix("data: "))["status"] == "succeeded"
    listed = await client("list_executions", node_id="desk", page_size=1)
    assert [each.execution_id for each in listed.executions] == [asked.parsed.execution_id]
    workflow = await client("get_workflow", asked.parsed.run_id)
    assert (workflow.dag.agent_node_id, workflow.dag.reasoner_id) == ("desk", "find")


@pytest.mark.parametrize("family", ["", "_2"])
async def test_it_places_a_call_and_follows_it(served: Served, family: str) -> None:
    client, worker = served.client, served.desk.worker
    start = client.made("StartSessionRequest", {"metadata": {"page": "/"}})

    started = await client(f"start_session{family}", "desk.plain", body=start)
    offer = client.types.File(payload=io.BytesIO(sdp().encode()))
    answer = await client(
        f"realtime_offer{family}", started.session_id, body=offer, provider="openai"
    )
    assert answer.payload.read().startswith(b"v=0\r\n")
    call = client.made("InvokeToolRequest", {"input": {"what": "hat"}})
    invoked = await client(f"invoke_tool{family}", started.session_id, "find", body=call)
    await worker.report(worker.accept(await worker.take()), b'{"found":true}')

    assert started.tool_targets.to_dict() == {"find": "desk.find"}
    async with generated_client(served.url, key=started.session_token) as holder:
        session = await holder("get_session", started.session_id)
        await holder("end_session", started.session_id, body=client.made("EndSessionRequest", {}))
    assert session.metadata.to_dict() == {"page": "/"}
    assert invoked.run_id == session.run_id
    events = await client("watch_session", started.session_id)
    assert "session.ended" in events
    listed = await client("list_sessions", state=client.models.SessionState.ENDED)
    assert [each.end_reason for each in listed.sessions] == [
        client.models.SessionEndReason.CLIENT_HANGUP
    ]
    workflows = await client("list_session_workflows", started.session_id)
    assert [each.run_id for each in workflows.workflows] == [session.run_id]


async def test_what_fails_is_of_one_type_with_its_reason(served: Served) -> None:
    client = served.client
    nothing = client.made("ExecuteRequest", {})
    body = client.made("StartSessionRequest", {"provider": "gemini"})
    reasons = client.models.ErrorReason

    failures = [
        await client.detailed("execute", "nobody.f", body=nothing),
        await client.detailed("get_session", "sess_none"),
        await client.detailed("start_session", "desk.plain", body=body),
        await client.detailed("list_nodes", page_size=-1),
    ]

    assert [(answer.status_code, answer.parsed.reason) for answer in failures] == [
        (404, reasons.NODE_NOT_FOUND),
        (404, reasons.SESSION_NOT_FOUND),
        (400, reasons.UNSUPPORTED_SESSION_TRANSPORT),
        (400, reasons.INVALID_ARGUMENT),
    ]
    assert all(isinstance(answer.parsed, client.models.Error) for answer in failures)
    assert failures[0].parsed.details.to_dict()["node_id"] == "nobody"


async def test_its_key_is_a_bearer_of_the_server_s(tmp_path: Path) -> None:
    config = config_for(tmp_path / "data")
    ring = keyring(Caller(name="web", roles=frozenset({"client"})))
    async with running_plane(replace(config, keyring=ring, http_bind="127.0.0.1:0")) as plane:
        url = f"http://{plane.http_address}"
        answers: list[Any] = []
        for key in ("", "other", "web"):
            async with generated_client(url, key=key) as client:
                answers.append(await client("list_nodes"))

    unauthenticated = client.models.ErrorReason.UNAUTHENTICATED
    assert [answer.reason for answer in answers[:2]] == [unauthenticated] * 2
    assert answers[2].nodes == []
