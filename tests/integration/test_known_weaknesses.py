"""What is known to go wrong elsewhere and does not here, where no other test shows it.

``docs/existing-clients.md`` lists all of it, each with its test.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.existing import EMPTY_START, Desk, opened
from support.live import declared, sdp

from agentfield.testing import ScriptedWorker

pytestmark = pytest.mark.integration


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with opened() as found:
        yield found


async def test_a_session_is_kept_listed_shown_and_ended(desk: Desk) -> None:
    session_id = await desk.start()
    path = f"/api/v1/session-instances/{session_id}"

    listed = await desk.get("/api/v1/session-instances")
    shown = await desk.get(path)
    ended = await desk.post(f"{path}/end", {})
    log = await desk.get(f"{path}/events")

    assert [each["session_id"] for each in listed.body["sessions"]] == [session_id]
    assert shown.body["state"] == "pending"
    assert ended.body["session"]["end_reason"] == "api_ended"
    assert "session.started" in log.body
    assert "session.ended" in log.body


async def test_an_offer_chooses_neither_model_nor_voice(desk: Desk) -> None:
    session_id = await desk.start()
    query = "model=gpt-realtime-expensive&voice=another"

    answer = await desk.post(
        f"/api/v1/session-instances/{session_id}/realtime-offer?{query}", text=sdp()
    )

    (session,) = desk.offered()
    assert answer.status == 200
    assert session["model"] == "gpt-realtime-2"
    assert session.get("audio", {}).get("output", {}).get("voice") != "another"


async def test_the_declared_tools_are_told_to_the_provider(desk: Desk) -> None:
    session_id = await desk.start()

    await desk.post(f"/api/v1/session-instances/{session_id}/realtime-offer", text=sdp())

    (session,) = desk.offered()
    assert [tool["name"] for tool in session["tools"]] == ["find"]


async def test_a_registration_after_the_start_does_not_change_the_session(desk: Desk) -> None:
    session_id = await desk.start()
    later = declared("plain", has_handler=False, tools=(), instructions="Something else.")
    async with ScriptedWorker(desk.plane, "desk", "find", sessions=[later]):
        await desk.post(f"/api/v1/session-instances/{session_id}/realtime-offer", text=sdp())

    (session,) = desk.offered()
    assert [tool["name"] for tool in session["tools"]] == ["find"]
    assert session.get("instructions") != "Something else."


@pytest.mark.parametrize("transport", ["websocket", "audio_turns"])
async def test_what_nobody_could_carry_does_not_start(desk: Desk, transport: str) -> None:
    provider = "openai" if transport == "websocket" else "openrouter"
    made = declared("later", has_handler=False, tools=())
    made.provider, made.transport = provider, transport
    async with ScriptedWorker(desk.plane, "desk", sessions=[made]):
        answer = await desk.post("/api/v1/session-targets/desk.later/start", EMPTY_START)

    assert (answer.status, answer.body["reason"]) == (501, "TRANSPORT_NOT_SERVED")


async def test_a_nested_call_of_a_tool_belongs_to_its_session_and_run(desk: Desk) -> None:
    session_id = await desk.start()
    tool = await desk.post(f"/api/v1/session-instances/{session_id}/tools/find", {"input": {}})
    desk.worker.accept(await desk.worker.take())

    nested = await desk.post(
        "/api/v1/execute/async/desk.look", {}, X_Parent_Execution_ID=tool.body["execution_id"]
    )

    found = await desk.get(f"/api/v1/executions/{nested.body['execution_id']}")
    assert found.body["session_id"] == session_id
    assert {found.body["run_id"], tool.body["run_id"]} == {desk.names.known["run"]}


@pytest.mark.parametrize("result", [[1, 2, 3], 3, "three", None, {"n": 3}])
async def test_a_result_of_any_kind_is_reported_over_rest_and_stays(
    desk: Desk, result: Any
) -> None:
    accepted = await desk.post("/api/v1/execute/async/desk.find", {"input": {}})
    work = desk.worker.accept(await desk.worker.take())
    path = f"/api/v1/executions/{accepted.body['execution_id']}"
    report = {"attempt": work.attempt, "status": "succeeded", "result": result}

    reported = await desk.post(f"{path}/status", report)
    late = await desk.post(f"{path}/status", {"attempt": work.attempt, "status": "running"})

    assert (reported.status, late.status) == (200, 200)
    found = await desk.get(path)
    assert (found.body["status"], found.body["result"]) == ("succeeded", result)


async def test_a_start_keeps_its_metadata(desk: Desk) -> None:
    started = await desk.post(
        "/api/v1/sessions/desk.plain/start", EMPTY_START | {"metadata": {"caller": "page"}}
    )

    shown = await desk.get(f"/api/v1/session-instances/{started.body['session_id']}")
    assert shown.body["metadata"] == {"caller": "page"}
