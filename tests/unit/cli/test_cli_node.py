from __future__ import annotations

import json

import pytest
from unit.cli.scripted_plane import Af, Plane

from agentfield.v1 import errors
from agentfield.v1 import execution_pb2 as execution_pb
from agentfield.v1 import node_service_pb2 as pb

pytestmark = pytest.mark.unit

_MORE = "more"
_WRITER = pb.Node(
    node_id="writer",
    version="1.2",
    connected=True,
    functions=[
        pb.Function(
            name="draft",
            kind=execution_pb.FUNCTION_KIND_REASONER,
            description="Writes a draft.",
            input_schema=b'{"type":"object"}',
        )
    ],
    workers=[pb.Worker(instance_id="w1", connected=True, max_executions=4)],
)


def test_list_writes_the_nodes_of_all_pages(af: Af, plane: Plane) -> None:
    plane.answers(
        "ListNodes",
        pb.ListNodesResponse(nodes=[pb.Node(node_id="a")], next_page_token=_MORE),
        pb.ListNodesResponse(nodes=[_WRITER]),
    )

    found = json.loads(af("node", "list").out)

    assert [node["node_id"] for node in found["nodes"]] == ["a", "writer"]
    assert plane.requests("ListNodes")[1].page_token == _MORE


def test_list_on_a_terminal_is_a_table(
    af: Af, plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")  # no bold
    plane.answers("ListNodes", pb.ListNodesResponse(nodes=[_WRITER]))

    header, row = af("node", "list", terminal=True).out.splitlines()

    assert header.split() == ["node_id", "connected", "version", "description"]
    assert row.split() == ["writer", "true", "1.2"]


def test_show_writes_the_node_itself(af: Af, plane: Plane) -> None:
    plane.answers("GetNode", pb.GetNodeResponse(node=_WRITER))

    found = json.loads(af("node", "show", "writer").out)

    assert found["node_id"] == "writer"
    assert found["functions"][0]["input_schema"] == {"type": "object"}
    assert plane.requests("GetNode") == [pb.GetNodeRequest(node_id="writer")]


def test_show_on_a_terminal_lists_functions_and_workers_without_their_schemas(
    af: Af, plane: Plane
) -> None:
    plane.answers("GetNode", pb.GetNodeResponse(node=_WRITER))

    shown = af("node", "show", "writer", terminal=True).out

    assert "Writes a draft." in shown
    assert "w1" in shown
    assert "input_schema" not in shown


def test_show_of_an_unknown_node_leaves_stdout_empty(af: Af, plane: Plane) -> None:
    plane.answers("GetNode", errors.NodeNotFound("No node 'ghost'."))

    ran = af("node", "show", "ghost", "-o", "pretty")

    assert (ran.code, ran.out, ran.err) == (2, "", "error: No node 'ghost'. (NODE_NOT_FOUND)\n")
