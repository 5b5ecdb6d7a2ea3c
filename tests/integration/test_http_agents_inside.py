"""What agents that are HTTP servers tell of their inside: calls, notes and logs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.http_agents import (
    MOST,
    Agent,
    register,
    report,
)
from support.plane import FAILED, RUNNING, SUCCEEDED, Plane, config_for, running_plane
from support.storage import Storage

from agentfield.executions import journal
from agentfield.v1 import errors, journal_service_pb2

pytestmark = pytest.mark.integration


@pytest.fixture
async def plane(storage: Storage) -> AsyncIterator[Plane]:
    config = config_for(storage, grace=0.3, max_payload_bytes=MOST)
    async with running_plane(config) as running:
        yield running


async def test_a_call_inside_an_agent_needs_a_parent_that_runs_there(
    plane: Plane, agent: Agent
) -> None:
    agent.answers(202)
    await register(plane, agent.url)
    parent = await plane.submit("n.think")
    await plane.until(parent, RUNNING)

    async def record(execution_id: str, **facts: Any) -> Any:
        asked = {"node_id": "n", "function": "again", "parent_execution_id": parent} | facts
        request = journal_service_pb2.RecordExecutionRequest(execution_id=execution_id, **asked)
        return await plane.call(plane.journal.RecordExecution, request)

    await record("inner", status=RUNNING, input=b'{"a":1}')
    await record("inner", status=SUCCEEDED, result=b"[7]")
    await record("inner", status=RUNNING)
    await record("inner", status=FAILED, error="too late")
    inner = await plane.get("inner")
    assert (inner.status, inner.result, inner.local, inner.depth) == (SUCCEEDED, b"[7]", True, 1)
    assert inner.run_id == (await plane.get(parent)).run_id

    with pytest.raises(errors.InvalidArgument, match="does not run on node 'm'"):
        await record("other", node_id="m", status=RUNNING)
    with pytest.raises(errors.ExecutionNotFound):
        await record("other", parent_execution_id="none", status=RUNNING)
    # What fails in its events alone has not failed: the report says more of it.
    await record(parent, status=FAILED, error="of the events")
    assert (await plane.get(parent)).status == RUNNING


async def test_calls_inside_an_agent_take_no_place_of_those_that_are_sent_to_it(
    plane: Plane, agent: Agent
) -> None:
    agent.answers(202)
    await register(plane, agent.url, max_executions=2)
    parent = await plane.submit("n.think")
    await plane.until(parent, RUNNING)
    for inner in ("inner-1", "inner-2"):  # of which the agent never tells the end
        request = journal_service_pb2.RecordExecutionRequest(
            execution_id=inner,
            node_id="n",
            function="again",
            parent_execution_id=parent,
            status=RUNNING,
        )
        await plane.call(plane.journal.RecordExecution, request)
    await report(plane, parent, status=SUCCEEDED)

    await plane.until(await plane.submit("n.think"), RUNNING)


async def test_what_a_gone_process_ran_inside_is_lost_with_it(plane: Plane, agent: Agent) -> None:
    agent.answers(202)
    await register(plane, agent.url, "one")
    parent = await plane.submit("n.think")
    await plane.until(parent, RUNNING)
    request = journal_service_pb2.RecordExecutionRequest(
        execution_id="inner", node_id="n", function="f", parent_execution_id=parent, status=RUNNING
    )
    await plane.call(plane.journal.RecordExecution, request)

    await register(plane, agent.url, "two")

    assert (await plane.until("inner", FAILED)).error == (
        await plane.until(parent, FAILED)
    ).error.replace("n.think", "n.f")


async def test_notes_and_logs_are_kept_in_their_order(plane: Plane, agent: Agent) -> None:
    await register(plane, agent.url)
    execution_id = await plane.submit("n.think")
    for number in range(3):
        note = journal_service_pb2.AddNoteRequest(message=f"note {number}", tags=["a"])
        await plane.call(plane.journal.AddNote, note, x_execution_id=execution_id)
    entries = json.dumps([{"n": number} for number in range(3)]).encode()
    appended = journal_service_pb2.AppendLogsRequest(execution_id=execution_id, entries=entries)
    assert (await plane.call(plane.journal.AppendLogs, appended)).accepted == 3

    notes, token = [], ""
    while True:
        page = await plane.call(
            plane.journal.ListNotes,
            journal_service_pb2.ListNotesRequest(
                execution_id=execution_id, page_size=2, page_token=token
            ),
        )
        notes += [(one.number, one.message) for one in page.notes]
        if not (token := page.next_page_token):
            break
    assert notes == [(1, "note 0"), (2, "note 1"), (3, "note 2")]
    logs = await plane.call(
        plane.journal.ListLogs, journal_service_pb2.ListLogsRequest(execution_id=execution_id)
    )
    assert [json.loads(one.entry) for one in logs.entries] == [{"n": 0}, {"n": 1}, {"n": 2}]
    for wrong in (b"{}", b"[1]", b"[", b"7"):
        request = journal_service_pb2.AppendLogsRequest(execution_id=execution_id, entries=wrong)
        with pytest.raises(errors.InvalidArgument, match="list of objects"):
            await plane.call(plane.journal.AppendLogs, request)


async def test_of_notes_as_of_logs_the_newest_are_kept(
    plane: Plane, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "KEPT_ENTRIES", 2)
    await register(plane, agent.url)
    execution_id = await plane.submit("n.think")
    for number in range(3):
        note = journal_service_pb2.AddNoteRequest(message=f"note {number}")
        await plane.call(plane.journal.AddNote, note, x_execution_id=execution_id)

    kept = await plane.call(
        plane.journal.ListNotes, journal_service_pb2.ListNotesRequest(execution_id=execution_id)
    )
    assert [(one.number, one.message) for one in kept.notes] == [(2, "note 1"), (3, "note 2")]
