"""The workflows of a session."""

from __future__ import annotations

import json

import pytest
from unit.cli.scripted_plane import MORE, Af, Plane

from agentfield.v1 import execution_pb2
from agentfield.v1 import session_service_pb2 as pb
from agentfield.v1 import workflow_service_pb2 as workflow_pb

pytestmark = pytest.mark.unit


def _execution(execution_id: str, run_id: str, parent: str = "") -> execution_pb2.Execution:
    return execution_pb2.Execution(
        execution_id=execution_id,
        run_id=run_id,
        parent_execution_id=parent,
        target="desk.find",
        status=execution_pb2.EXECUTION_STATUS_SUCCEEDED,
    )


def test_workflows_are_listed_from_all_pages(af: Af, plane: Plane) -> None:
    plane.answers(
        "ListSessionWorkflows",
        pb.ListSessionWorkflowsResponse(
            workflows=[workflow_pb.Workflow(run_id="run_2")], next_page_token=MORE
        ),
        pb.ListSessionWorkflowsResponse(workflows=[workflow_pb.Workflow(run_id="run_1")]),
    )

    found = json.loads(af("session", "workflows", "sess_1").out)

    assert [workflow["run_id"] for workflow in found["workflows"]] == ["run_2", "run_1"]
    assert plane.requests("ListSessionWorkflows") == [
        pb.ListSessionWorkflowsRequest(session_id="sess_1", page_size=100, page_token=token)
        for token in ("", MORE)
    ]


def _two_workflows(plane: Plane) -> None:
    plane.answers(
        "ListSessionWorkflows",
        pb.ListSessionWorkflowsResponse(
            workflows=[workflow_pb.Workflow(run_id=run_id) for run_id in ("run_2", "run_1")]
        ),
    )
    plane.answers(
        "GetWorkflow",
        workflow_pb.GetWorkflowResponse(
            executions=[_execution("a", "run_2")], next_page_token=MORE
        ),
        workflow_pb.GetWorkflowResponse(executions=[_execution("b", "run_2", parent="a")]),
        workflow_pb.GetWorkflowResponse(executions=[_execution("c", "run_1")]),
    )


def test_workflows_are_drawn_as_trees(af: Af, plane: Plane) -> None:
    _two_workflows(plane)

    assert af("session", "workflows", "sess_1", "--dag").out.splitlines() == [
        "desk.find  succeeded  a",
        "└─ desk.find  succeeded  b",
        "desk.find  succeeded  c",
    ]
    asked = [(request.run_id, request.page_token) for request in plane.requests("GetWorkflow")]
    assert asked == [("run_2", ""), ("run_2", MORE), ("run_1", "")]


def test_workflows_with_their_executions_are_a_line_each(af: Af, plane: Plane) -> None:
    _two_workflows(plane)

    lines = af("session", "workflows", "sess_1", "--dag", "-o", "json").out.splitlines()

    _two_workflows(plane)
    drawn = af("session", "workflows", "sess_1", "--dag", "-o", "text").out

    assert drawn.startswith("desk.find  succeeded  a\n")
    ids = [[each["execution_id"] for each in json.loads(line)["executions"]] for line in lines]
    assert ids == [["a", "b"], ["c"]]
