"""What existing clients send is taken, and what they read is answered: whole bodies, by hand.

The golden files in tests/golden were written from the description of the existing interface, not
from our answers.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from support.existing import Client, Desk, opened
from support.golden import Names

from agentfield.testing import control_plane
from agentfield.v1 import execution_pb2
from agentfield.v1 import execution_service_pb2 as pb

pytestmark = pytest.mark.integration


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with opened() as found:
        yield found


async def test_an_execution_in_the_background_is_accepted(desk: Desk) -> None:
    body = {"input": {"q": 1}, "context": {"provider": "openai"}, "webhook": {"url": "http://x"}}

    answer = await desk.post("/api/v1/execute/async/desk.find", body)

    desk.check("accepted", answer)


async def test_an_execution_that_succeeds_is_answered_with_its_result(desk: Desk) -> None:
    async with asyncio.TaskGroup() as tasks:
        call = tasks.create_task(desk.post("/api/v1/execute/desk.find", {"input": {"q": 1}}))
        work = desk.worker.accept(await desk.worker.take())
        await desk.worker.report(work, b"[1,2,3]")

    desk.check("executed", call.result())


async def failed(desk: Desk) -> None:
    """Let what is asked for fail."""
    work = desk.worker.accept(await desk.worker.take())
    report = pb.ReportExecutionRequest(
        execution_id=work.execution_id,
        attempt=work.attempt,
        status=execution_pb2.EXECUTION_STATUS_FAILED,
        error="out of stock",
        error_details=b'{"code":"none left"}',
    )
    await desk.plane.call(desk.plane.executions.ReportExecution, report)


async def test_an_execution_that_fails_is_answered_with_the_function_s_words(desk: Desk) -> None:
    async with asyncio.TaskGroup() as tasks:
        call = tasks.create_task(desk.post("/api/v1/execute/desk.find", {"input": {}}))
        await failed(desk)

    desk.check("execute_failed", call.result())


@pytest.mark.parametrize("route", ["execute", "execute/async"])
@pytest.mark.parametrize(
    ("target", "text", "status", "says", "category"),
    [
        ("desk.find", "{", 400, "The body must be a JSON object<…>", "validation"),
        ("desk", "{}", 400, "invalid target: 'desk' must be <…>", "validation"),
        ("x.find", "{}", 404, "agent 'x' not found<…>", "target_not_found"),
        ("desk.y", "{}", 404, "target 'y' not found on agent 'desk'<…>", "target_not_found"),
    ],
)
async def test_an_execution_that_is_refused_says_why_and_leaves_no_record(
    desk: Desk, *, route: str, target: str, text: str, status: int, says: str, category: str
) -> None:
    answer = await desk.post(f"/api/v1/{route}/{target}", text=text)

    assert (answer.status, answer.body["error_category"]) == (status, category)
    assert desk.names.matches(says, answer.body["error"]), answer.body
    assert (await desk.get("/api/v1/executions")).body["executions"] == []


async def done(desk: Desk, result: bytes = b'{"found":true}') -> str:
    """Run an execution to its end and return its id."""
    accepted = await desk.post("/api/v1/execute/async/desk.find", {"input": {"q": 1}})
    work = desk.worker.accept(await desk.worker.take())
    await desk.worker.report(work, result)
    return str(accepted.body["execution_id"])


async def test_an_execution_that_succeeded_is_read_whole(desk: Desk) -> None:
    execution_id = await done(desk)

    desk.check("execution_succeeded", await desk.get(f"/api/v1/executions/{execution_id}"))


async def test_an_execution_that_waits_is_read_whole(desk: Desk) -> None:
    await desk.worker.goodbye()
    accepted = await desk.post("/api/v1/execute/async/desk.find", {"input": {"q": 1}})

    path = f"/api/v1/executions/{accepted.body['execution_id']}"
    desk.check("execution_queued", await desk.get(path))


async def test_an_execution_that_failed_is_read_whole(desk: Desk) -> None:
    accepted = await desk.post("/api/v1/execute/async/desk.find", {"input": {"q": 1}})
    await failed(desk)

    path = f"/api/v1/executions/{accepted.body['execution_id']}"
    desk.check("execution_failed", await desk.get(path))


async def test_an_execution_that_does_not_exist_is_not_found(desk: Desk) -> None:
    answer = await desk.get("/api/v1/executions/exec_unknown")

    assert answer.status == 404
    assert answer.body["error"].startswith("execution not found")


async def test_the_states_of_many_executions_come_by_their_ids(desk: Desk) -> None:
    ids = [await done(desk), "exec_unknown"]

    answer = await desk.post("/api/v1/executions/batch-status", {"execution_ids": ids})
    too_many = await desk.post("/api/v1/executions/batch-status", {"execution_ids": ["x"] * 501})

    desk.names.known["execution"] = ids[0]
    desk.check("batch_status", answer)
    assert (too_many.status, too_many.body["error"]) == (
        400,
        "batch status supports at most 500 execution IDs, got 501",
    )


async def test_a_cancelled_execution_is_told_as_it_was_and_is(desk: Desk) -> None:
    await desk.worker.goodbye()
    accepted = await desk.post("/api/v1/execute/async/desk.find", {"input": {}})
    path = f"/api/v1/executions/{accepted.body['execution_id']}/cancel"

    desk.check("cancelled", await desk.post(path, {"reason": "enough"}))


async def run_of_two(desk: Desk) -> str:
    """Begin a run whose root called one function, and return its id."""
    path, actor = "/api/v1/execute/async/desk", {"X_Actor_ID": "user-7"}
    root = await desk.post(f"{path}.find", {"input": {}}, **actor)
    desk.worker.accept(await desk.worker.take())
    await desk.plane.until(root.body["execution_id"], execution_pb2.EXECUTION_STATUS_RUNNING)
    parent = {"X_Parent_Execution_ID": root.body["execution_id"]}
    child = await desk.post(f"{path}.look", {"input": {}}, **parent)
    work = desk.worker.accept(await desk.worker.take())
    await desk.worker.report(work)
    desk.names.known |= {
        "run": root.body["run_id"],
        "root": root.body["execution_id"],
        "child": child.body["execution_id"],
    }
    return str(root.body["run_id"])


@pytest.mark.parametrize("prefix", ["/api/v1", "/api/ui/v1"])
async def test_a_workflow_is_read_as_a_tree_and_a_list(desk: Desk, prefix: str) -> None:
    path = f"{prefix}/workflows/{await run_of_two(desk)}/dag"

    desk.check("dag", await desk.get(path))
    desk.check("dag_lightweight", await desk.get(f"{path}?mode=lightweight"))
    desk.check("dag_lightweight", await desk.get(f"{path}?lightweight=1"))


@pytest.mark.parametrize("prefix", ["/api/v1", "/api/ui/v1"])
async def test_a_workflow_that_does_not_exist_is_not_found(desk: Desk, prefix: str) -> None:
    answer = await desk.get(f"{prefix}/workflows/run_unknown/dag")

    assert answer.status == 404
    assert answer.body["error"].startswith("workflow not found")


async def test_a_session_s_workflows_executions_and_itself_are_found_by_a_query(
    desk: Desk,
) -> None:
    other = await desk.start()
    session_id = await desk.start()
    await desk.worker.goodbye()
    await desk.post(f"/api/v1/session-instances/{session_id}/tools/find", {"input": {"q": 1}})
    path = "/api/v1/agentic/query"

    def query(resource: str, **more: Any) -> dict[str, Any]:
        return {"resource": resource, "filters": {"session_id": session_id}, **more}

    desk.check("query_workflows", await desk.post(path, query("workflows")))
    desk.check("query_executions", await desk.post(path, query("executions", limit=1)))
    desk.check("query_sessions", await desk.post(path, query("sessions")))
    everyone = await desk.post(path, {"resource": "sessions", "filters": {}, "offset": 1})
    assert [each["session_id"] for each in everyone.body["data"]["results"]] == [other]


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("{", "invalid_request", "The body must be a JSON object<…>"),
        (
            '{"resource":"agents"}',
            "invalid_resource",
            "resource must be one of: workflows, executions, sessions",
        ),
        (
            '{"resource":"workflows","filters":{"execution_id":"e"}}',
            "unsupported_filter",
            "filters.execution_id is not supported for resource workflows",
        ),
    ],
)
async def test_a_query_that_makes_no_sense_is_refused_in_its_envelope(
    desk: Desk, text: str, code: str, says: str
) -> None:
    answer = await desk.post("/api/v1/agentic/query", text=text)

    assert (answer.status, answer.body["ok"], answer.body["error"]["code"]) == (400, False, code)
    assert desk.names.matches(says, answer.body["error"]["message"])
    assert answer.body["reason"] == "INVALID_ARGUMENT"


async def test_health_readiness_and_version_are_told_without_a_key(desk: Desk) -> None:
    desk.check("alive", await desk.get("/health"))
    desk.check("health", await desk.get("/api/v1/health"))
    for path in ("/readyz", "/api/v1/health/ready"):
        assert (await desk.get(path)).body == {"status": "ready"}
    assert list((await desk.get("/api/v1/version")).body) == ["version"]


async def test_who_shows_no_key_is_told_so_in_the_known_words(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"a key").hexdigest()
    keys = tmp_path / "keys.toml"
    keys.write_text(f'[[keys]]\nname = "web"\nroles = ["client"]\nsha256 = "{digest}"\n')
    async with (
        control_plane(f"--api-keys={keys}") as plane,
        ClientSession(f"http://{plane.http_address}") as http,
    ):
        client = Client(http=http, names=Names())
        answers = [
            await client.get("/api/v1/executions"),
            await client.get("/api/v1/executions", X_API_Key="another key"),
        ]
        with_key = await client.get("/api/v1/executions", X_API_Key="a key")
        in_query = await client.get("/api/v1/executions?api_key=a%20key")

    for answer in answers:
        client.check("unauthorized", answer)
    assert with_key.status == 200
    assert (in_query.status, in_query.body["details"]) == (400, {"field": "api_key"})
