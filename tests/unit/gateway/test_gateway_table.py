"""Which route a request means. No sockets."""

from __future__ import annotations

import pytest

from agentfield.v1 import errors
from agentfield_gateway.routes import Route, Table, contract_routes

pytestmark = pytest.mark.unit

TABLE = Table(
    [
        Route(verb="POST", template="/run/{target}", leads_to="run"),
        Route(verb="POST", template="/run/later/{target}", leads_to="run later"),
        Route(verb="GET", template="/things/{id}", leads_to="thing"),
        Route(verb="POST", template="/things/batch", leads_to="batch"),
        Route(verb="POST", template="/things/{id}", leads_to="change"),
        Route(verb="GET", template="/things/{id}/parts/{part}", leads_to="part"),
    ]
)


@pytest.mark.parametrize(
    ("verb", "path", "leads_to", "parameters"),
    [
        ("POST", "/run/a.b", "run", {"target": "a.b"}),
        ("POST", "/run/later/a.b", "run later", {"target": "a.b"}),
        ("POST", "/run/later", "run", {"target": "later"}),
        ("POST", "/things/batch", "batch", {}),
        ("POST", "/things/b", "change", {"id": "b"}),
        ("GET", "/things/batch", "thing", {"id": "batch"}),
        ("GET", "/things/1/parts/2", "part", {"id": "1", "part": "2"}),
        ("GET", "/thing%73/1", "thing", {"id": "1"}),
    ],
)
def test_a_fixed_segment_wins_over_a_name(
    verb: str, path: str, leads_to: str, parameters: dict[str, str]
) -> None:
    found = TABLE.find(verb, path)

    assert (found.route.leads_to, found.parameters) == (leads_to, parameters)


@pytest.mark.parametrize(
    ("segment", "value"),
    [
        ("a%2Fb", "a/b"),
        ("a%2fb", "a/b"),
        ("a%252Fb", "a%2Fb"),
        ("%C3%BC", "ü"),
        ("a+b", "a+b"),
        ("a%zz", "a%zz"),
        ("..", ".."),
        ("a%00b", "a\0b"),
    ],
)
def test_a_name_takes_one_segment_decoded_once(segment: str, value: str) -> None:
    assert TABLE.find("GET", f"/things/{segment}").parameters == {"id": value}


@pytest.mark.parametrize(
    "path", ["/", "*", "", "/things", "/things/", "/things/1/", "//things/1", "/things/1/parts"]
)
def test_a_path_that_matches_nothing_is_not_found(path: str) -> None:
    with pytest.raises(errors.RouteNotFound):
        TABLE.find("GET", path)
    with pytest.raises(errors.RouteNotFound):
        TABLE.verbs(path)


def test_another_method_is_not_allowed_and_told_which_are() -> None:
    with pytest.raises(errors.MethodNotAllowed) as caught:
        TABLE.find("DELETE", "/things/1")

    assert caught.value.metadata == {"allow": "GET, POST"}


def test_a_path_must_be_utf_8() -> None:
    with pytest.raises(errors.InvalidArgument, match="UTF-8"):
        TABLE.find("GET", "/things/%ff")


def test_the_contract_names_the_documented_routes() -> None:
    assert {(route.verb, route.template) for route in contract_routes()} == {
        ("POST", "/api/v1/execute/{target}"),
        ("POST", "/api/v1/execute/async/{target}"),
        ("GET", "/api/v1/executions"),
        ("GET", "/api/v1/executions/{execution_id}"),
        ("GET", "/api/v1/executions/{execution_id}/events"),
        ("POST", "/api/v1/executions/{execution_id}/cancel"),
        ("POST", "/api/v1/executions/{execution_id}/status"),
        ("POST", "/api/v1/executions/batch-status"),
        ("POST", "/api/v1/client-tokens"),
        ("GET", "/api/v1/workflows"),
        ("GET", "/api/v1/workflows/{run_id}/dag"),
        ("GET", "/api/ui/v1/workflows/{run_id}/dag"),
        ("POST", "/api/v1/agentic/query"),
        ("GET", "/api/v1/nodes"),
        ("GET", "/api/v1/nodes/{node_id}"),
        ("POST", "/api/v1/executions/note"),
        ("GET", "/api/v1/executions/{execution_id}/notes"),
        ("POST", "/api/v1/executions/{execution_id}/logs"),
        ("GET", "/api/v1/executions/{execution_id}/logs"),
        ("POST", "/api/v1/workflow/executions"),
        ("POST", "/api/v1/workflow/executions/events"),
        ("POST", "/api/v1/nodes"),
        ("POST", "/api/v1/nodes/register"),
        ("PATCH", "/api/v1/nodes/{node_id}/status"),
        ("POST", "/api/v1/nodes/{node_id}/lifecycle/status"),
        ("POST", "/api/v1/nodes/{node_id}/heartbeat"),
        ("POST", "/api/v1/nodes/{node_id}/shutdown"),
        ("GET", "/api/v1/server"),
        ("POST", "/api/v1/session-targets/{target}/start"),
        ("POST", "/api/v1/sessions/{target}/start"),
        ("POST", "/api/v1/session-instances/{session_id}/realtime-offer"),
        ("POST", "/api/v1/sessions/{session_id}/realtime-offer"),
        ("POST", "/api/v1/session-instances/{session_id}/tools/{tool}"),
        ("POST", "/api/v1/sessions/{session_id}/tools/{tool}"),
        ("GET", "/api/v1/session-instances"),
        ("GET", "/api/v1/session-instances/{session_id}"),
        ("DELETE", "/api/v1/session-instances/{session_id}"),
        ("POST", "/api/v1/session-instances/{session_id}/end"),
        ("GET", "/api/v1/session-instances/{session_id}/events"),
        ("GET", "/api/v1/session-instances/{session_id}/workflows"),
    }
